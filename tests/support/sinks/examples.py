"""Builds records to test with: a full and a sparse one of every kind, and an outbound message."""

from __future__ import annotations

import typing
from typing import Any

import msgspec

from schemas.events import Micros
from schemas.facts import Outbound
from schemas.identity import customer_tag

NOW = 1_772_409_600_123_456  # 2026-03-02T00:00:00.123456Z
TICKET = "ABCDEFGHIJKL-1"


def example(record: type[Any], number: int = 0, **fields: Any) -> Any:
    """A record with every field set, all of them different and told apart by `number`; `fields` win."""
    hints = typing.get_type_hints(record, include_extras=True)
    values = {}
    for place, name in enumerate(record.__struct_fields__):
        values[name] = _value(hints[name], name, 1000 * number + place + 1)
    fixed = {"customer_tag": "ABCDEFGHIJKL", "version": number, "partition": 1}
    return record(**(values | {name: value for name, value in fixed.items() if name in values} | fields))


def sparse(record: type[Any], number: int = 0) -> Any:
    """A record with only its required fields."""
    required = [f.name for f in msgspec.structs.fields(record) if f.required]
    full = example(record, number)
    return record(**{name: getattr(full, name) for name in required})


def _value(hint: Any, name: str, number: int) -> Any:
    if hint is Micros:
        return NOW + number
    if hint is str:
        return f"{name} {number} – 田中 “é” 🙂\n\ttab"
    if hint is int:
        return number % 250
    if hint is float:
        return number + 0.1
    if hint is bool:
        return True
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return example(hint, number)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        some = [_value(arguments[0], name, number), _value(arguments[0], name, number + 1)]
        return [some[0], "", some[1]] if arguments[0] is str else some
    if origin is dict:
        return {"k": _value(arguments[1], name, number), "": ""}
    return _value(next(a for a in arguments if a is not type(None)), name, number)


def outbound(**fields: Any) -> Outbound:
    """Returns an acknowledgement by e-mail; `fields` win."""
    values: dict[str, Any] = {
        "customer_tag": "ABCDEFGHIJKL", "version": 1, "partition": 0, "at": NOW, "outbound_id": "OUT1", "ticket_id": TICKET,
        "kind": "acknowledgement", "channel": "email", "address": "ann@example.org", "subject": f"Re: Hello [#{TICKET}]",
        "text": "Thank you.\nWe will write by 14:00.\n", "message_id": f"<ds.{TICKET}.OUT1@support.example>",
    }  # fmt: skip
    return Outbound(**(values | fields))


def mail_to(number: int, customer: int | None = None, **fields: Any) -> Outbound:
    """Returns the message `O<number>` to a customer of that number, or of another."""
    name = customer if customer is not None else number
    tag = customer_tag(f"email:c{name}@example.org")
    ticket = f"{tag}-1"
    values = {
        "customer_tag": tag, "version": number, "outbound_id": f"O{number}", "ticket_id": ticket,
        "address": f"c{name}@example.org", "message_id": f"<ds.{ticket}.O{number}@support.example>", "subject": f"S {number}",
    }  # fmt: skip
    return outbound(**(values | fields))
