"""Turns the JSON of an agents' help desk into events: replies, notes, status, who has a ticket, tags, presence, roster.

    POST /v1/agents/replies    {"id": "r-9", "ticket_id": "ABCDEFGHIJKL-1", "agent_id": "mei", "text": "Here it is."}
    POST /v1/agents/notes      {"id": "n-2", "ticket_id": "ABCDEFGHIJKL-1", "agent_id": "mei", "text": "Called twice."}
    POST /v1/agents/status     {"id": "s-4", "ticket_id": "ABCDEFGHIJKL-1", "agent_id": "mei", "status": "solved"}
    POST /v1/agents/transfers  {"id": "t-1", "ticket_id": "ABCDEFGHIJKL-1", "agent_id": "mei", "to_team": "billing"}
    POST /v1/agents/tags       {"id": "g-5", "ticket_id": "ABCDEFGHIJKL-1", "agent_id": "mei", "add": ["delivery.lost_parcel"]}
    POST /v1/agents/presence   {"id": "p-8", "agent_id": "mei", "team": "billing", "status": "online"}
    POST /v1/agents/assignments  {"id": "a-3", "ticket_id": "ABCDEFGHIJKL-1", "agent_id": "mei", "to_agent": "tom"}
    POST /v1/agents/priority   {"id": "u-6", "ticket_id": "ABCDEFGHIJKL-1", "agent_id": "mei", "priority": "high"}
    POST /v1/agents/followers  {"id": "f-7", "ticket_id": "ABCDEFGHIJKL-1", "agent_id": "mei", "on": true}
    POST /v1/agents/offers     {"id": "o-9", "ticket_id": "ABCDEFGHIJKL-1", "agent_id": "mei", "outcome": "accepted"}
    POST /v1/agents/roster     {"id": "e-2", "agent_id": "mei", "team": "billing", "skills": {"refunds": 2}}

`id` is the sender's own id of what happened, or the header `Idempotency-Key` when the body has none: the same id again
is the same event. An array of at most 100 such objects is taken whole or not at all; there, an object without an `id`
has the key and its place. The other fields are those of the record (`schemas/events/`), checked as the generic
endpoint checks them. The `skills` of roster and presence may be an object with levels from 1 to 9.
"""

from __future__ import annotations

from typing import Any

from producers.channels import generic, generic_fields
from producers.text.fields import FieldProblems, json_value
from schemas.errors import Refused
from schemas.events import Event
from schemas.skills import HIGHEST_LEVEL, levels_of

__all__ = ["CHANNEL", "MOST", "RESOURCES", "normalise"]

CHANNEL = "agents"
#: Objects of one array.
MOST = 100
#: The last part of the path → the type of the event.
RESOURCES = {
    "replies": "agent_replied",
    "notes": "note_added",
    "status": "status_changed",
    "transfers": "transferred",
    "tags": "tag_corrected",
    "presence": "presence_changed",
    "assignments": "assignment_changed",
    "priority": "priority_changed",
    "followers": "follow_changed",
    "offers": "offer_answered",
    "roster": "roster_changed",
}
#: Those whose `skills` may have levels.
_SKILLED = frozenset(("presence", "roster"))


def normalise(raw: bytes, resource: str, *, now: int, source: str = "", key: str = "") -> tuple[Event, ...]:
    """Returns the events of one body, in its order. `now` is the pipeline's time in microseconds, `key` the Idempotency-Key.

    Raises:
        FieldProblems: `bad_fields`, every problem by field; in an array by place, such as `[3].ticket_id`.
        Refused: `bad_json`, `bad_batch`.
    """
    body = json_value(raw)
    if isinstance(body, dict):
        return (_event(body, resource, key, now, source),)
    _require_batch(body)
    problems: dict[str, str] = {}
    made: list[Event] = []
    for place, each in enumerate(body):
        try:
            made.append(_event(each, resource, f"{key}/{place}" if key else "", now, source))
        except FieldProblems as error:
            problems |= {f"[{place}].{name}" if name else f"[{place}]": what for name, what in error.fields.items()}
    if problems:
        raise FieldProblems(problems)
    _require_different(made)
    return tuple(made)


def _require_batch(body: Any) -> None:
    if not isinstance(body, list):
        raise Refused("bad_json", f"an object or an array of objects is expected, not {type(body).__name__}")
    if not 0 < len(body) <= MOST:
        raise Refused("bad_batch", f"an array holds 1 to {MOST} objects, this one {len(body)}")


def _require_different(made: list[Event]) -> None:
    """Refuses a body in which two events have one id: one of them would be lost unnoticed."""
    first: dict[str, int] = {}
    for place, event in enumerate(made):
        if (before := first.setdefault(event.event_id, place)) != place:
            raise FieldProblems({f"[{place}].id": f"is that of [{before}] as well"})


def _event(body: Any, resource: str, key: str, now: int, source: str) -> Event:
    if not isinstance(body, dict):
        raise FieldProblems({"": f"must be an object, not {type(body).__name__}"})
    kind = RESOURCES[resource]
    said = body.get("type", kind)
    if generic_fields.ALIASES.get(said, said) != kind if isinstance(said, str) else True:
        raise FieldProblems({"type": f"{str(said)[:60]!r} does not belong to {resource}; leave it out"})
    own = {"id": key} if key and "id" not in body else {}
    if resource in _SKILLED and isinstance(body.get("skills"), dict):
        body = {**body, "skills": _levels(body["skills"])}
    return generic.build({**own, **body, "type": kind}, now=now, source=source)


def _levels(skills: dict[str, Any]) -> list[str]:
    for skill, level in skills.items():
        if type(level) is not int or not 1 <= level <= HIGHEST_LEVEL:
            raise FieldProblems({"skills": f"the level of {skill[:60]!r} is not a number from 1 to {HIGHEST_LEVEL}"})
    return levels_of(skills)
