"""Converts and checks the fields of the generic endpoint's events, by the Avro record of their kind. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from typing import Any

import msgspec

from producers.channels import replies
from producers.text.fields import MAX_PROBLEMS, MAX_SHORT, identifier, moment, prose, time_zone_problem
from schemas import events, identity
from schemas.codec import snake
from schemas.errors import Refused
from schemas.events import Event

__all__ = [
    "ALIASES",
    "BY_CUSTOMER",
    "BY_THREAD",
    "IDS",
    "KINDS",
    "NUMBERED",
    "OWNER_FIELDS",
    "canonical",
    "check",
    "converted",
    "fields_of",
    "kind_of",
    "needs",
]

#: Kinds that are accepted, by the value of `type`.
KINDS: dict[str, type[Event]] = {
    snake(kind.__name__): kind
    for kind in (
        events.MessageReceived,
        events.AgentReplied,
        events.NoteAdded,
        events.StatusChanged,
        events.Transferred,
        events.TagCorrected,
        events.PresenceChanged,
        events.SurveyAnswered,
        events.CallEnded,
        events.ArticleViewed,
        events.OrderPlaced,
        events.OrderChanged,
        events.CallStarted,
        events.CallAnswered,
        events.ConsentChanged,
        events.BotAnswered,
        events.CustomersMerged,
        events.CustomersSplit,
        events.AssignmentChanged,
        events.PriorityChanged,
        events.FollowChanged,
        events.OfferAnswered,
        events.RosterChanged,
        events.ErasureRequested,
    )
}
#: Those that may name a conversation of a customer (`thread_ref`, `customer_id`) instead of the ticket.
BY_THREAD = frozenset(kind for kind in KINDS.values() if "thread_ref" in kind.__struct_fields__)
#: Those that name a customer only to find their log: the event holds no more than its tag.
BY_CUSTOMER = frozenset((events.ErasureRequested,))
#: Short names of kinds.
ALIASES = {
    "message": "message_received",
    "reply": "agent_replied",
    "note": "note_added",
    "status": "status_changed",
    "transfer": "transferred",
    "presence": "presence_changed",
    "assignment": "assignment_changed",
    "priority": "priority_changed",
    "follow": "follow_changed",
    "offer": "offer_answered",
    "roster": "roster_changed",
    "survey": "survey_answered",
    "call": "call_ended",
    "article": "article_viewed",
    "order": "order_placed",
    "merge": "customers_merged",
    "split": "customers_split",
    "erasure": "erasure_requested",
}
_OURS = frozenset(
    (
        "event_id",
        "received_at",
        "customer_tag",
        "source",
        "imported",
        "stamp",
        "known",
        "from_tag",
        "directory",
        "advice",
        "request_id",
        "below",
        "answers",
    )
)
_COMMON = frozenset(("type", "id", "occurred_at", "channel", "causation_depth"))
_LONG = frozenset(("text", "full_text", "transcript", "comment", "question", "answer", "went_wrong"))
_PROSE = _LONG | {"subject", "query", "reason"}
#: Ids and addresses are not masked: masked, two of them could become equal.
IDS = frozenset(
    (
        "address", "agent_id", "article_id", "call_id", "customer_id", "from_agent", "from_customer_id", "in_reply_to",
        "into_customer_id", "message_id", "order_id", "recipients", "recording", "references", "sender", "survey_id",
        "thread_id", "thread_ref", "ticket_id", "ticket_ids", "ticket_ref", "to_agent", "to_customer_id",
    )
)  # fmt: skip
#: Kinds whose order number comes from the shop and is an id; in a message the customer typed it.
NUMBERED = frozenset((events.OrderPlaced, events.OrderChanged))
_MAX_LIST = 200
#: What may stand instead of a field that is needed: then the field is made of it.
_INSTEAD = {"address": "customer_id", "text": "html"}
_CUSTOMER_ID = re.compile(r"^[a-z][a-z0-9_]{0,19}:\S.{0,253}$")
PRESENCES = ("online", "away", "offline")


def kind_of(body: dict[str, Any]) -> type[Event]:
    """Returns the record that the key `type` names.

    Raises:
        Refused: `unknown_type`.
    """
    name = body.get("type")
    known = KINDS.get(ALIASES.get(name, name)) if isinstance(name, str) else None
    if known is None:
        said = f"{name!r} is not a type" if name is not None else "the key 'type' is missing"
        raise Refused("unknown_type", f"{said[:100]}; known are {', '.join(KINDS)}")
    return known


def converted(kind: type[Event], body: dict[str, Any], problems: dict[str, str]) -> dict[str, Any]:
    """Returns every field of the record that is in the body, in its own type, cleaned and bounded."""
    converters = _CONVERTERS[kind]
    fields: dict[str, Any] = {}
    for name, value in body.items():
        if name in _COMMON and name != "causation_depth":
            continue
        convert = converters.get(name) or (_id if name == "customer_id" and kind in BY_THREAD else None)
        if convert is None:
            if len(problems) >= MAX_PROBLEMS:
                continue
            close = difflib.get_close_matches(str(name), [*converters, *_COMMON], 1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(converters))}"
            problems[str(name)[:60]] = f"is not a field of {snake(kind.__name__)}; {hint}"
            continue
        try:
            fields[name] = convert(value)
        except (msgspec.ValidationError, ValueError) as error:
            problems[name] = str(error)[:300]
    for name in _NEEDED[kind]:
        if name not in body and _INSTEAD.get(name, name) not in body:
            problems[name] = "is needed"
    if kind in BY_THREAD and "ticket_id" not in body:
        _needed_by_thread(body, problems)
    return fields


def _needed_by_thread(body: dict[str, Any], problems: dict[str, str]) -> None:
    """Requires, without a ticket id, the conversation and its customer."""
    if not body.get("thread_ref"):
        problems["ticket_id"] = "is needed, or thread_ref and customer_id"
    elif "customer_id" not in body:
        problems["customer_id"] = "is needed beside thread_ref"


def check(kind: type[Event], fields: dict[str, Any], problems: dict[str, str]) -> None:
    """Checks the rules that types alone do not express."""
    for name, value in fields.items():
        rule = _CHECKS.get(name)
        if rule is not None and value is not None and name not in problems and (problem := rule(kind, value)):
            problems[name] = problem
    if problems:
        return
    if kind is events.AgentReplied:
        replies.finish(fields, fields.get("public", True), problems)
    if kind is events.TagCorrected and not (fields.get("add") or fields.get("remove")):
        problems["add"] = "is needed, or remove"
    if kind is events.SurveyAnswered and fields.get("csat") is None and fields.get("ces") is None:
        problems["csat"] = "is needed, or ces"
    if kind in _OTHER and canonical(fields[OWNER_FIELDS[kind]]) == canonical(fields[_OTHER[kind]]):
        problems[_OTHER[kind]] = f"is the same customer as {OWNER_FIELDS[kind]}"


Check = Callable[[type[Event], Any], str]


def _one_of(*choices: str) -> Check:
    return lambda _, value: "" if value in choices else f"{value[:40]!r} is none of {', '.join(filter(None, choices))}"


def _between(least: int, most: int) -> Check:
    return lambda _, value: "" if least <= value <= most else f"{value} is not between {least} and {most}"


def _outcome_problem(kind: type[Event], value: str) -> str:
    offer = kind is events.OfferAnswered
    known = ("accepted", "declined") if offer else ("answered", "abandoned", "voicemail", "missed")
    return _one_of(*known)(kind, value)


def _status_problem(kind: type[Event], value: str) -> str:
    return _one_of(*(PRESENCES if kind is events.PresenceChanged else events.STATUSES))(kind, value)


def _priority_problem(kind: type[Event], value: str) -> str:
    return _one_of(*(() if kind is events.PriorityChanged else ("",)), *events.PRIORITIES)(kind, value)


def _ticket_problem(kind: type[Event], value: str) -> str:
    return (
        "" if identity.split_ticket_id(value.upper()) else f"{value[:60]!r} is not a ticket id such as ABCDEFGHIJKL-1"
    )


def _customer_problem(kind: type[Event], value: str) -> str:
    if _CUSTOMER_ID.match(value):
        return ""
    return f"{value[:60]!r} is not kind:value, such as email:ann@example.org or tel:+15550100"


def _not_empty(kind: type[Event], value: str) -> str:
    return "" if value.strip() else "must not be empty"


def canonical(customer_id: str) -> str:
    """Returns the canonical form of a `kind:value`."""
    scheme, _, value = customer_id.partition(":")
    return identity.canonical_customer_id(scheme, value)


#: The fields of the customer in whose log a merge or split is kept, and of the other customer.
OWNER_FIELDS: dict[type[Event], str] = {
    events.CustomersMerged: "from_customer_id",
    events.CustomersSplit: "customer_id",
}
_OTHER: dict[type[Event], str] = {events.CustomersMerged: "into_customer_id", events.CustomersSplit: "to_customer_id"}
_CHECKS: dict[str, Check] = {
    "status": _status_problem,
    "outcome": _outcome_problem,
    "priority": _priority_problem,
    "weights": lambda _, value: "" if all(0 < each <= 1 for each in value.values()) else "must be between 0 and 1",
    "reaction": _one_of("", "helped", "not_helped", "contacted", "chat", "published"),
    "verified": _one_of(*events.VERIFICATIONS),
    "wish": _one_of("stop", "start", "help"),
    "csat": _between(1, 5),
    "ces": _between(1, 7),
    "wait_seconds": _between(0, 10**7),
    "talk_seconds": _between(0, 10**7),
    "amount": _between(-(10**15), 10**15),
    "causation_depth": _between(0, 1000),
    "time_zone": lambda _, value: time_zone_problem(value),
    "customer_id": _customer_problem,
    "from_customer_id": _customer_problem,
    "into_customer_id": _customer_problem,
    "to_customer_id": _customer_problem,
    "ticket_ids": lambda kind, value: next(filter(None, (_ticket_problem(kind, each) for each in value)), ""),
    "ticket_id": _ticket_problem,
    "ticket_ref": lambda kind, value: _ticket_problem(kind, value) if value else "",
    "agent_id": lambda kind, value: _not_empty(kind, value) if "agent_id" in _NEEDED[kind] else "",
    "team": _not_empty,
    "to_team": _not_empty,
    "survey_id": _not_empty,
}


# -- converters, made once per field -------------------------------------------------------------------------------


def _converter(name: str, annotation: Any, kind: type[Event]) -> Callable[[Any], Any]:
    if name == "sent_at":
        return _sent_at
    if name in _PROSE:
        limit = 100_000 if name in _LONG else MAX_SHORT
        return lambda value: prose(msgspec.convert(value, str), limit)
    one = _id if name in IDS or (name == "order_number" and kind in NUMBERED) else _short
    if annotation is str:
        return one
    return lambda value: _bounded(msgspec.convert(value, annotation), one)


def _sent_at(value: Any) -> int | None:
    return None if value is None else moment(value, now=2**62)


def _short(value: Any) -> str:
    return prose(_not_long(value), MAX_SHORT)


def _id(value: Any) -> str:
    return identifier(_not_long(value))


def _not_long(value: Any) -> str:
    text: str = msgspec.convert(value, str)
    if len(text) > MAX_SHORT:
        raise ValueError(f"is too long: {len(text)} characters, at most {MAX_SHORT}")
    return text


def _bounded(value: Any, one: Callable[[Any], str] = _short) -> Any:
    """Bounds the size of lists and mappings, and bounds and masks their texts (except ids)."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("is out of range")
    if isinstance(value, list | dict) and len(value) > _MAX_LIST:
        raise ValueError(f"has {len(value)} entries, at most {_MAX_LIST}")
    if isinstance(value, list):
        return [one(item) if isinstance(item, str) else _bounded(item) for item in value]
    if isinstance(value, dict):
        return {_short(key): _short(item) if isinstance(item, str) else _bounded(item) for key, item in value.items()}
    if isinstance(value, events.Attachment):
        return events.Attachment(
            name=_short(value.name),
            media_type=_short(value.media_type),
            size_bytes=_bounded(value.size_bytes),
            reference=_id(value.reference),
        )
    return value


_CONVERTERS: dict[type[Event], dict[str, Callable[[Any], Any]]] = {}
_NEEDED: dict[type[Event], tuple[str, ...]] = {}
for _name, _type in KINDS.items():
    _fields = [
        field for field in msgspec.structs.fields(_type) if field.name not in _OURS and field.name not in _COMMON
    ]
    _CONVERTERS[_type] = {field.name: _converter(field.name, field.type, _type) for field in _fields}
    if _type is events.AgentReplied:
        _CONVERTERS[_type] |= replies.CONVERTERS
    _CONVERTERS[_type]["causation_depth"] = _converter("causation_depth", int, _type)
    _NEEDED[_type] = tuple(
        field.name for field in _fields if field.required and not (field.name == "ticket_id" and _type in BY_THREAD)
    )
    if _type in BY_CUSTOMER:
        _CONVERTERS[_type]["customer_id"] = _converter("customer_id", str, _type)
        _NEEDED[_type] = ("customer_id",)


def fields_of(kind: type[Event]) -> frozenset[str]:
    """Returns the keys that an object of this kind may have beside the common ones."""
    return frozenset(_CONVERTERS[kind])


def needs(kind: type[Event], name: str) -> bool:
    """Says if an object of this kind must have the key."""
    return name in _NEEDED[kind]
