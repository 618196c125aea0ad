"""Working hours as tests write them: wall-clock times and spans of a day."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from schemas.clock import MICROS

HOUR, MINUTE = 3600, 60


def at(text: str, zone: str = "UTC", fold: int = 0) -> int:
    """Returns a wall-clock time of a zone in micros."""
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return int(moment.timestamp()) * MICROS


def span(text: str) -> tuple[int, int]:
    """Returns `22:00-06:00` as seconds of a day; the end may lie in the next one."""
    start, end = (int(h) * HOUR + int(m) * MINUTE for h, m in (part.split(":") for part in text.split("-")))
    return start, end if end > start else end + 24 * HOUR


def week_of(text: str) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Returns a week of seven equal days with these spans."""
    return (tuple(span(each) for each in text.split()),) * 7
