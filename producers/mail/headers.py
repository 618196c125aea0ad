"""Reads the headers of a mail: text, addresses (`addresses`), message ids and dates."""

from __future__ import annotations

import re
from calendar import timegm
from datetime import datetime, timedelta
from email.utils import parsedate_tz

from producers.mail import charsets
from producers.mail.addresses import addresses
from producers.mail.encoded_words import decode, raw_text
from producers.mail.entity import Entity
from schemas.clock import MICROS

__all__ = ["Headers", "addresses", "date", "decode", "ids", "of", "text"]

#: Names in lower case, each with its values in their order, as they stand in the mail.
Headers = dict[str, list[str]]

_MESSAGE_ID = re.compile(r"<[^<>\s]{1,300}>")
_EARLIEST = 631152000  # 1990-01-01: mail dated before that has a broken clock
_TWO_DAYS = 2 * 86400
#: Zones by name that the standard library reads as UTC.
_ZONES = {"JST": 9, "HKT": 8, "SGT": 8, "KST": 9, "CET": 1, "CEST": 2, "BST": 1, "EET": 2, "EEST": 3, "AEST": 10}


def of(mail: Entity) -> Headers:
    """Returns all headers of a mail."""
    return mail.fields


def text(headers: Headers, name: str) -> str:
    """Returns the first header of that name, decoded; '' when there is none."""
    return decode(headers[name][0]) if name in headers else ""


def ids(headers: Headers, name: str, most: int) -> list[str]:
    """Returns message ids with their angle brackets: the last `most`, because the last reference is the nearest."""
    if name not in headers:
        return []
    value = charsets.clean(raw_text(" ".join(headers[name][:3])))
    found: list[str] = _MESSAGE_ID.findall(value[-40_000:])
    if not found and (bare := value.strip("<> ")) and len(bare) <= 300:
        found = [f"<{bare.split()[0]}>"]
    return found[:1] if most == 1 else found[-most:]


def date(value: str, now: int) -> tuple[int | None, int]:
    """Returns `(microseconds, offset in seconds)`; None for a date that cannot be read or cannot be true."""
    if not value:
        return None, 0
    value = raw_text(value)[:100].strip()
    try:
        seconds, offset = _date(value)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None, 0
    if not _EARLIEST <= seconds <= now // MICROS + _TWO_DAYS:
        return None, 0
    return seconds * MICROS, offset


def _date(value: str) -> tuple[int, int]:
    """Returns seconds since 1970 and the offset of the zone. Raises ValueError and the like."""
    parsed = None if value[4:5] == "-" else parsedate_tz(value)
    if parsed is None:  # not as mail has it: perhaps as ISO 8601 has it
        moment = datetime.fromisoformat(value.replace(" +", "+").replace(" -", "-"))
        offset = int((moment.utcoffset() or timedelta()).total_seconds())
    else:
        offset = parsed[9] or 0
        if not offset:
            offset = _ZONES.get(value.rpartition(" ")[2], 0) * 3600
        moment = datetime(*parsed[:6])
    return timegm(moment.timetuple()) - offset, offset
