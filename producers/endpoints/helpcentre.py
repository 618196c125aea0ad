"""Declares the endpoint of the help centre and its bot: articles read, searches, turns of the bot, and "talk to a person".

Signed with a key (`schemas/signature.py`) that has the scope `help:write`. The answer says whether a person takes over, so
that the bot can tell the customer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from producers.channels import helpcentre
from producers.endpoint import Answer, Delivery, WebhookEndpoint
from schemas import signature
from schemas.events import Event, MessageReceived

__all__ = ["ENDPOINTS", "PROCESS"]

#: The command that serves these alone, and with them the help pages.
PROCESS = "help-centre"

_EXAMPLE = {
    "type": "hand_over",
    "id": "h-31",
    "conversation_id": "bot-77",
    "customer": {"email": "ann@example.org", "name": "Ann Lee"},
    "language": "en",
    "conversation": [
        {"by": "customer", "text": "My card was declined."},
        {"by": "bot", "text": "Have you tried another card?", "failed": True},
        {"by": "customer", "text": "Yes. I want to talk to a person."},
    ],
}


def _verify(delivery: Delivery, secrets: Sequence[str], wall: float) -> None:
    signature.verify(delivery.headers.get(signature.HEADER.lower()), delivery.body, secrets, wall=wall)


def _normalise(delivery: Delivery, now: int, source: str) -> Sequence[Event]:
    return helpcentre.normalise(delivery.body, now=now, source=source)


def _answer(delivery: Delivery, events: Sequence[Event]) -> Answer:
    handed_over = any(isinstance(event, MessageReceived) for event in events)
    return Answer(body=json.dumps({"received": True, "handed_over": handed_over}))


ENDPOINTS = (
    WebhookEndpoint(
        process=PROCESS,
        name="help-centre",
        path="/v1/help-centre",
        channel=helpcentre.CHANNEL,
        scope="help:write",
        secrets="help_secrets",
        verify=_verify,
        normalise=_normalise,
        answer=_answer,
        summary="Articles read, searches, turns of the bot, and hand-over to a person with the whole conversation",
        example=Delivery(
            "POST", "/v1/help-centre", {"content-type": "application/json"}, body=json.dumps(_EXAMPLE).encode()
        ),
        keep=False,
        schema=helpcentre.json_schema(),
    ),
)
