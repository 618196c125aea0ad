"""Checks and cleans single fields of inputs; every problem of an input is reported at once."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import msgspec

from producers.mail import charsets
from producers.text import privacy
from schemas.clock import MICROS, to_micros
from schemas.errors import Refused

__all__ = [
    "MAX_JSON_CONTAINERS",
    "MAX_PROBLEMS",
    "MAX_SHORT",
    "MAX_TEXT",
    "FieldProblems",
    "address_problem",
    "identifier",
    "json_value",
    "moment",
    "prose",
    "require_few_containers",
    "time_zone_problem",
]

#: Characters of prose, and of everything else.
MAX_TEXT, MAX_SHORT = 100_000, 1_000
MAX_JSON_CONTAINERS = 30_000
#: More unknown fields are not listed one by one: the search for a close name takes time for each.
MAX_PROBLEMS = 50
_ADDRESS = re.compile(r"^[^\s<>@,;:\"()\[\]\\]{1,64}@[^\s<>@,;:\"()\[\]\\.]+(?:\.[^\s<>@,;:\"()\[\]\\.]+)*$")
_EARLIEST = 946_684_800 * MICROS  # 2000-01-01
_AHEAD = 300 * MICROS
_LONGEST_ZONE = 64


class FieldProblems(Refused):
    """Some fields are wrong. `fields` maps a field's name to what is wrong with it, one plain sentence each."""

    def __init__(self, fields: dict[str, str], reason: str = "bad_fields") -> None:
        self.fields = fields
        super().__init__(reason, "; ".join(f"{name}: {problem}" for name, problem in fields.items()))


def require_few_containers(raw: bytes) -> None:
    """Accepts a JSON text that is not mostly arrays and objects.

    Raises:
        Refused: `bad_json`.
    """
    if raw.count(b"[") + raw.count(b"{") > MAX_JSON_CONTAINERS:
        raise Refused("bad_json", f"it has more than {MAX_JSON_CONTAINERS} arrays and objects")


def json_value(raw: bytes) -> Any:
    """Returns the value of a JSON text.

    Raises:
        Refused: `bad_json`, with the place; also for one with more than `MAX_JSON_CONTAINERS` arrays and objects, which
            take up to 60 times the bytes that they are written in.
    """
    require_few_containers(raw)
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Refused("bad_json", str(error)[:300]) from error


def prose(text: str, limit: int = MAX_TEXT) -> str:
    """Returns the text for Kafka: no control characters, card numbers masked, cut to `limit` characters."""
    if len(text) > limit:
        text = text[: limit + privacy.MARGIN]
    if not text.isprintable():
        text = charsets.clean(text.replace("\r\n", "\n").replace("\r", "\n"))
    return privacy.mask(text)[:limit]


def identifier(text: str, limit: int = MAX_SHORT) -> str:
    """Returns an id or address of another system, as it goes to Kafka: cleaned and cut to `limit` characters, never masked.

    Every tenth number of 13 to 19 digits looks like a card number. Order, customer and telephone numbers can be as long:
    if they were masked, two of them could become equal.
    """
    return (text if text.isprintable() else charsets.clean(text)).strip()[:limit]


def address_problem(address: str) -> str:
    """Returns the problem of an e-mail address, '' for none."""
    if not address:
        return "is needed, we answer there"
    if len(address) > 254 or not _ADDRESS.match(address):
        return f"{address[:80]!r} is not an e-mail address such as ann@example.org"
    return ""


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def time_zone_problem(zone: str) -> str:
    """Returns the problem of an IANA time zone's name, '' for none and for an empty name."""
    if not zone or (len(zone) <= _LONGEST_ZONE and _is_zone(zone)):
        return ""
    return f"{zone[:60]!r} is not a time zone such as Asia/Tokyo"


@lru_cache(maxsize=1024)
def _is_zone(zone: str) -> bool:
    if zone in _zones():
        return True
    try:
        ZoneInfo(zone)  # a zone that the listing leaves out, such as a link
    except Exception:  # KeyError, ValueError, OSError, ...: it depends on the name
        return False
    return True


def moment(text: object, *, now: int) -> int:
    """Returns microseconds of an ISO 8601 time with its offset from UTC.

    Raises:
        ValueError: it is not one, it is before 2000 or more than five minutes ahead of `now`; the text says so.
    """
    if not isinstance(text, str):
        raise ValueError("must be a text such as 2026-03-02T10:00:00+09:00")
    try:
        parsed = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text[:40]!r} is not an ISO 8601 time such as 2026-03-02T10:00:00+09:00") from None
    if parsed.tzinfo is None:
        raise ValueError(f"{text[:40]!r} has no offset from UTC: write ...Z or ...+09:00")
    try:
        micros = to_micros(parsed)
    except (OverflowError, ValueError):
        raise ValueError(f"{text[:40]!r} is out of range") from None
    if micros < _EARLIEST:
        raise ValueError(f"{text[:40]!r} is before 2000")
    if micros > now + _AHEAD:
        raise ValueError(f"{text[:40]!r} is in the future")
    return micros
