"""Makes dead letters of producers, and takes them again as a replay does."""

from __future__ import annotations

from collections.abc import Sequence

from producers.endpoint import Delivery, endpoints
from producers.replay.handlers import replay_handlers
from producers.replay.replay_one import replay_one
from schemas.dead_letter import headers as dead_letter_headers
from schemas.dead_letter.headers import InputContext
from schemas.dead_letter.record import DeadLetter
from schemas.events import Event
from schemas.settings import ProducerSettings
from tests.support.producers.endpoint_case import PUBLIC_URL, Case, SignedRequest

NOW = 1_772_445_600_000_000  # 2026-03-02T10:00:00Z
MAIL = b"From: Ann <ann@example.org>\r\nTo: help@shop.example\r\nMessage-ID: <%d@example.org>\r\n\r\nWhere is it?\r\n"
FORM = {"email": "ann@example.org", "message": "Where is my parcel?", "submission_id": "f-1"}
REPLY = {"type": "reply", "id": "r1", "ticket_id": "ABCDEFGHIJKL-1", "agent_id": "mei", "text": "Here it is"}
TYPED_ON_A_KIOSK = b'{"email":"ann@example.org","message":"The zip is broken","submission_id":"k-token"}'
OUR_SECRETS = sorted({endpoint.secrets for endpoint in endpoints()} | {"webhook_secrets"})
ENDPOINTS = {endpoint.name: endpoint for endpoint in endpoints()}
KEPT = InputContext(received_at=NOW, source="here")


def delivered(case: Case, sent: SignedRequest) -> Delivery:
    """A request as the server sees it, with everything that came."""
    headers = {name.lower(): value for name, value in sent.headers.items()}
    query = dict(part.split("=") for part in sent.query.split("&") if part)
    url = f"{PUBLIC_URL}{ENDPOINTS[case.endpoint].path}{'?' + sent.query if sent.query else ''}"
    return Delivery("POST", url, headers | {"cookie": "session=secret", "idempotency-key": "own"}, query, sent.body)


def found_again(raw: bytes, kept: InputContext | None, name: str, **story: str) -> DeadLetter:
    """The dead letter as a replay reads it, after Kafka had it."""
    fields = {"reason": "defect", "error": "KeyError: 'x'", "stage": "normalise", "origin": "here"} | story
    headers = dead_letter_headers.headers(at=NOW, producer=name, given=kept, **fields)  # type: ignore[arg-type]
    return DeadLetter("contact-events.dlq", 0, 7, None, raw, dead_letter_headers.read(headers), NOW // 1000, len(raw))


def again(dead_letter: DeadLetter, *, named: bool = True) -> Sequence[Event]:
    made = replay_one(dead_letter, replay_handlers(ProducerSettings(), None), named=named)
    if made.refused is not None:
        raise made.refused
    return made.events
