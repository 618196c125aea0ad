"""Reads loose JSON of exports: texts, times, lists, objects and attachments, whatever stands in a field. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from producers.imports.formats.origin import Origin
from producers.text import markup
from producers.text.fields import MAX_SHORT, moment, prose
from schemas.errors import Refused
from schemas.events import Attachment

__all__ = ["attachments", "entries", "inside", "plain", "text", "when"]

#: Seconds since 1970 beyond this are milliseconds.
_MILLISECONDS_FROM = 100_000_000_000
_MOST_ATTACHMENTS = 100
_ZONED = re.compile(
    r"^(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)\s*(?:UTC|([+-]\d\d):?(\d\d)|(Z))?$"
)


def text(value: object) -> str:
    """Returns a text or number of an export as text; '' for anything else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def plain(markup_or_text: object) -> str:
    """Returns the text of HTML."""
    found = text(markup_or_text)
    return markup.to_text(found) if "<" in found else found


def when(value: object, origin: Origin) -> int:
    """Returns micros of a time as exports write it: ISO 8601, `2024-03-02 10:00:00 UTC`, or seconds since 1970.

    Raises:
        Refused: `bad_time`: none, without offset while `origin.zone` is '', before 2000, or in the future.
    """
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1000 if value > _MILLISECONDS_FROM else value
            value = datetime.fromtimestamp(seconds, ZoneInfo("UTC")).isoformat()
        elif isinstance(value, str) and value.strip().isdigit():
            return when(int(value.strip()), origin)
        elif isinstance(value, str) and (parts := _ZONED.match(value.strip())):
            value = _with_offset(parts, value, origin.zone)
        return moment(value, now=origin.now)
    except (ValueError, OverflowError, OSError) as error:
        raise Refused("bad_time", "there is no time" if value in (None, "") else str(error)[:200]) from None


def _with_offset(parts: re.Match[str], value: str, zone: str) -> str:
    plain_time = f"{parts[1]}-{parts[2]}-{parts[3]}T{parts[4]}"
    if parts[5]:
        return f"{plain_time}{parts[5]}:{parts[6]}"
    if parts[7] or value.rstrip().endswith("UTC"):
        return f"{plain_time}+00:00"
    if not zone:
        raise ValueError(f"{value[:40]!r} has no offset from UTC: say with --time-zone where its clock stood")
    return datetime.fromisoformat(plain_time).replace(tzinfo=ZoneInfo(zone)).isoformat()


def attachments(found: object, name: str, media_type: str, size: str, url: str) -> list[Attachment]:
    """Returns the attachments of an export, whose fields have these names."""
    if not isinstance(found, list):
        return []
    return [
        Attachment(
            name=prose(text(each.get(name)), MAX_SHORT),
            media_type=text(each.get(media_type))[:200] or "application/octet-stream",
            size_bytes=_size(each.get(size)),
            reference=text(each.get(url))[:MAX_SHORT],
        )
        for each in found[:_MOST_ATTACHMENTS]
        if isinstance(each, dict)
    ]


def _size(value: object) -> int:
    return max(0, min(value, 2**53)) if isinstance(value, int) else 0


def entries(body: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Returns the objects in a list of an export; none when there is no list."""
    found = body.get(name)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def inside(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Returns an object inside another, empty when there is none."""
    found = body.get(name)
    return found if isinstance(found, Mapping) else {}
