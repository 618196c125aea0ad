"""Turns a JSON object of the generic endpoint into any event: messages of every channel, and agents' actions.

    {"type": "message_received", "id": "m-17", "channel": "chat", "customer_id": "chat:visitor-5", "text": "Hello?"}
    {"type": "agent_replied", "id": "r-9", "ticket_id": "ABCDEFGHIJKL-1", "agent_id": "mei", "text": "Here it is."}

Who does not know our ticket ids names the customer and the conversation, as the message that began it did:

    {"type": "agent_replied", "id": "r-9", "customer_id": "chat:visitor-5", "thread_ref": "c-3", "agent_id": "mei", ...}

Common keys: `type`; `id`, your own id of this event (the same id again is the same event); `occurred_at`, ISO 8601
with offset, now when left out; `channel`; `causation_depth`. The others are the fields of the record of that type.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from producers.channels.generic_fields import (
    BY_CUSTOMER,
    BY_THREAD,
    OWNER_FIELDS,
    canonical,
    check,
    converted,
    kind_of,
    needs,
)
from producers.mail.event import mail_event_id
from producers.text.fields import FieldProblems, json_value, moment
from producers.text.locales import locale_hint
from schemas import events, identity
from schemas.codec import snake
from schemas.dead_letter.headers import InputContext
from schemas.errors import Refused
from schemas.events import Event

__all__ = ["CHANNEL", "build", "normalise", "parse", "take"]

CHANNEL = "generic"

#: Kinds that belong to one channel.
_CHANNEL_OF: dict[type[Event], str] = {events.CallEnded: "phone", events.ArticleViewed: "help_centre"}


def normalise(raw: bytes, *, now: int, source: str = "") -> Event:
    """Returns the event of one JSON object received now. `now` is the pipeline's time in microseconds.

    Raises:
        FieldProblems: `bad_fields`, with every problem by field.
        Refused: `bad_json`, `unknown_type`.
    """
    return build(parse(raw), now=now, source=source)


def take(raw: bytes, context: InputContext) -> Sequence[Event]:
    """Returns the event of one JSON object, now or when its dead letter is replayed; raises as `normalise`."""
    return [normalise(raw, now=context.received_at, source=context.source)]


def parse(raw: bytes) -> dict[str, Any]:
    """Returns the JSON object in `raw`.

    Raises:
        Refused: `bad_json`, with the place.
    """
    value = json_value(raw)
    if not isinstance(value, dict):
        raise Refused("bad_json", f"an object is expected, not {type(value).__name__}")
    return value


def build(body: dict[str, Any], *, now: int, source: str, imported: bool = False, strict_time: bool = False) -> Event:
    """Returns the event of a parsed object; `strict_time` makes `occurred_at` needed (history).

    Raises:
        FieldProblems, Refused: as `normalise`.
    """
    kind = kind_of(body)
    problems: dict[str, str] = {}
    fields = converted(kind, body, problems)
    fields["occurred_at"] = _occurred_at(body, now, strict_time, problems)
    fields["channel"] = _channel(kind, body, problems)
    check(kind, fields, problems)
    own_id = body.get("id")
    if own_id is not None and (not isinstance(own_id, str | int) or not 0 < len(str(own_id)) <= 300):
        problems["id"] = "must be text of 1 to 300 characters"
    is_mail = kind is events.MessageReceived and fields["channel"] == "email"
    mail_id = str(fields.get("message_id", "")) if is_mail else ""
    if own_id is None and not mail_id and "occurred_at" not in body:
        problems["id"] = "is needed (your own id of this event, so that a retry is no second event), or occurred_at"
    if problems:
        raise FieldProblems(problems)
    return _event(kind, fields, _event_id(kind, body, fields, mail_id), now=now, source=source, imported=imported)


def _occurred_at(body: dict[str, Any], now: int, needed: bool, problems: dict[str, str]) -> int:
    if "occurred_at" not in body:
        if needed:
            problems["occurred_at"] = "is needed in history: an ISO 8601 time such as 2026-03-02T10:00:00+09:00"
        return now
    try:
        return min(moment(body["occurred_at"], now=now), now)
    except ValueError as error:
        problems["occurred_at"] = str(error)
        return now


def _channel(kind: type[Event], body: dict[str, Any], problems: dict[str, str]) -> str:
    channel: object = body.get("channel", _CHANNEL_OF.get(kind, ""))
    if not isinstance(channel, str) or (channel and channel not in events.CHANNELS):
        problems["channel"] = f"{str(channel)[:40]!r} is not a channel; known are {', '.join(events.CHANNELS)}"
        return ""
    if kind is events.MessageReceived and not channel:
        problems["channel"] = f"is needed: one of {', '.join(events.CHANNELS)}"
    return channel


def _event_id(kind: type[Event], body: dict[str, Any], fields: dict[str, Any], mail_id: str) -> str:
    name = snake(kind.__name__)
    if (own := body.get("id")) is not None:
        # A conversation's ids are unique within the source, ours within the channel.
        return identity.event_id("generic", name, fields["channel"], str(own))
    if mail_id:
        return mail_event_id(mail_id, fields["customer_id"].partition(":")[2])
    return identity.event_id("generic-content", json.dumps(body, sort_keys=True, ensure_ascii=True))


def _event(kind: type[Event], fields: dict[str, Any], event_id: str, *, now: int, source: str, imported: bool) -> Event:
    if "customer_id" in fields and needs(kind, "address"):
        fields.setdefault("address", fields["customer_id"].partition(":")[2])
    for name in ("customer_id", "from_customer_id", "into_customer_id", "to_customer_id"):
        if name in fields:
            fields[name] = canonical(fields[name])
    for name in ("ticket_id", "ticket_ref"):
        if fields.get(name):
            fields[name] = fields[name].upper()
    if "ticket_ids" in fields:
        fields["ticket_ids"] = [each.upper() for each in fields["ticket_ids"]]
    if fields.get("language"):
        fields["language"] = locale_hint(fields["language"])
    if kind is events.MessageReceived:
        fields["full_text"] = fields.get("full_text") or fields.get("text", "")
        fields["text"] = fields.get("text") or fields["full_text"]
    owner = identity.split_ticket_id(fields.get("ticket_id") or fields.get("ticket_ref") or "")
    tag = owner[0] if owner else ""
    if not tag and (own := OWNER_FIELDS.get(kind, "customer_id")) in fields:
        tag = identity.customer_tag(fields[own])
    if kind in BY_CUSTOMER:
        fields.pop("customer_id")
    if kind in BY_THREAD:
        fields.pop("customer_id", None)
        fields.setdefault("ticket_id", "")
    return kind(
        event_id=event_id,
        received_at=now,
        customer_tag=tag,
        source=source,
        imported=imported,
        **fields,
    )
