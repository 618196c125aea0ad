"""Declares the signed API of agents, by which an existing help desk drives the pipeline.

Each request is signed with a key (`schemas/signature.py`) that has the scope of its address, such as `agents:reply`. A key
may be bound to agents: then it speaks for them only. 200 means durable; 403 names the scope or the agent; 422 names every
field that is wrong. Of a request that is refused nothing was taken. What the pipeline has to say to the help desk,
`python -m sinks webhooks` delivers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from producers.channels import agents
from producers.endpoint import Answer, Delivery, Normalise, WebhookEndpoint
from schemas import signature
from schemas.events import Event

__all__ = ["ENDPOINTS"]

KEY_HEADER = "idempotency-key"
_SCOPE_OF = {
    "replies": "agents:reply",
    "notes": "agents:note",
    "status": "agents:status",
    "transfers": "agents:transfer",
    "tags": "agents:tag",
    "presence": "agents:presence",
    "assignments": "agents:assign",
    "priority": "agents:priority",
    "followers": "agents:follow",
    "offers": "agents:offer",
    "roster": "agents:roster",
}
_TICKET = "ABCDEFGHIJKL-1"
_ABOUT: dict[str, tuple[str, dict[str, Any]]] = {
    "replies": ("Answer a customer.", {"id": "r-9", "ticket_id": _TICKET, "agent_id": "mei", "text": "Here it is."}),
    "notes": ("Add an internal note.", {"id": "n-2", "ticket_id": _TICKET, "agent_id": "mei", "text": "Called twice."}),
    "status": (
        "Change the status of a ticket.",
        {"id": "s-4", "ticket_id": _TICKET, "agent_id": "mei", "status": "solved"},
    ),
    "transfers": (
        "Give a ticket to another team.",
        {"id": "t-1", "ticket_id": _TICKET, "agent_id": "mei", "to_team": "billing", "reason": "a refund"},
    ),
    "tags": (
        "Correct the tags of a ticket.",
        {"id": "g-5", "ticket_id": _TICKET, "agent_id": "mei", "add": ["delivery.lost_parcel"]},
    ),
    "presence": (
        "Say that an agent comes or goes.",
        {"id": "p-8", "agent_id": "mei", "team": "billing", "status": "online", "capacity": {"default": 5}},
    ),
    "assignments": (
        "Give a ticket to an agent of its team, take it (`to_agent` is `agent_id`), or give it back (no `to_agent`).",
        {"id": "a-3", "ticket_id": _TICKET, "agent_id": "mei", "to_agent": "tom"},
    ),
    "priority": (
        "Set the priority of a ticket; no rule changes it afterwards.",
        {"id": "u-6", "ticket_id": _TICKET, "agent_id": "mei", "priority": "high"},
    ),
    "followers": (
        "Follow a ticket, or follow it no more; followers are told what becomes of it.",
        {"id": "f-7", "ticket_id": _TICKET, "agent_id": "mei", "on": True},
    ),
    "offers": (
        "Accept the ticket that is offered to an agent, or decline it (`outcome`: `accepted` or `declined`).",
        {"id": "o-9", "ticket_id": _TICKET, "agent_id": "mei", "outcome": "accepted"},
    ),
    "roster": (
        "Say what an agent can do in a team, or that they leave it.",
        {"id": "e-2", "agent_id": "mei", "team": "billing", "skills": {"refunds": 2}, "languages": ["en"]},
    ),
}


def _verify(delivery: Delivery, secrets: Sequence[str], wall: float) -> None:
    signature.verify(delivery.headers.get(signature.HEADER.lower()), delivery.body, secrets, wall=wall)


def _normaliser(resource: str) -> Normalise:
    def normalise(delivery: Delivery, now: int, source: str) -> Sequence[Event]:
        key = delivery.headers.get(KEY_HEADER, "").strip()
        return agents.normalise(delivery.body, resource, now=now, source=source, key=key)

    return normalise


def _answer(delivery: Delivery, events: Sequence[Event]) -> Answer:
    """Returns the ids under which the events will be seen again, in the order of the request."""
    made = [{"event_id": event.event_id, "ticket_id": getattr(event, "ticket_id", "")} for event in events]
    return Answer(body=msgspec.json.encode({"received": True, "events": made}).decode())


def _endpoint(resource: str) -> WebhookEndpoint:
    summary, example = _ABOUT[resource]
    path = f"/v1/agents/{resource}"
    return WebhookEndpoint(
        process="agents",
        name=f"agents-{resource}",
        path=path,
        channel=agents.CHANNEL,
        scope=_SCOPE_OF[resource],
        secrets="agent_secrets",
        verify=_verify,
        normalise=_normaliser(resource),
        summary=f"{summary} One object, or an array of at most {agents.MOST}; "
        f"fields: those of {agents.RESOURCES[resource]} at /v1/events.",
        example=Delivery("POST", path, body=msgspec.json.encode(example)),
        answer=_answer,
        reads=(KEY_HEADER,),
        max_bytes=4_000_000,
        keep=False,
    )


ENDPOINTS = tuple(_endpoint(resource) for resource in agents.RESOURCES)
