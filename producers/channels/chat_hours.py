"""Parses the business hours of chat and says when it is open.

The setting is `mon-fri 09:00-18:00, sat 10:00-14:00` in one time zone; hours hold across daylight saving time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from producers.text.fields import time_zone_problem
from schemas.calendars import Calendar, Era, Span
from schemas.clock import from_micros, to_micros
from schemas.errors import ConfigurationError

__all__ = ["Hours"]

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))?\s+(?P<begin>\d\d:\d\d)-(?P<end>\d\d:\d\d)")
_MIDNIGHT = "24:00"


@dataclass(frozen=True, slots=True)
class Hours:
    """`spans` are (weekday 0-6, begin, end) in minutes of the local day; without any it is always open."""

    spans: tuple[tuple[int, int, int], ...]
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str, time_zone: str = "UTC") -> Hours:
        """Returns the hours of the setting; the empty text is "always".

        Raises:
            ConfigurationError: the text or the time zone is malformed.
        """
        if problem := time_zone_problem(time_zone):
            raise ConfigurationError(problem, where="DESKSTREAM_CHAT_TIME_ZONE")
        spans: list[tuple[int, int, int]] = []
        for part in (part.strip().lower() for part in text.split(",")):
            if part:
                spans += _span(part)
        return cls(tuple(sorted(spans)), ZoneInfo(time_zone or "UTC"))

    def open_at(self, moment: int) -> bool:
        """Says if chat is open at this moment (micros UTC)."""
        if not self.spans:
            return True
        local = from_micros(moment).astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        return any(day == local.weekday() and begin <= minute < end for day, begin, end in self.spans)

    def calendar(self) -> Calendar:
        """Returns the hours as a calendar without holidays."""
        week: list[list[Span]] = [[] for _ in _DAYS]
        for day, begin, end in self.spans:
            week[day].append((begin * 60, end * 60))
        return Calendar("chat", "", self.zone, (Era(date.min, tuple(map(tuple, week)), None),))

    def opens_at(self, moment: int) -> int | None:
        """Returns the next opening after this moment (micros UTC); None while open, or when it never opens."""
        if self.open_at(moment):
            return None
        local = from_micros(moment).astimezone(self.zone)
        openings = []
        for ahead in range(8):
            local_day = local.date() + timedelta(days=ahead)
            for day, begin, _ in self.spans:
                if day == local_day.weekday():
                    at = datetime.combine(local_day, time(begin // 60, begin % 60), self.zone)
                    openings.append(to_micros(at.astimezone(UTC)))
        return min((opening for opening in openings if opening > moment), default=None)


def _span(part: str) -> list[tuple[int, int, int]]:
    match = _SPAN.fullmatch(part)
    if match is None or match["first"] not in _DAYS or (match["last"] or match["first"]) not in _DAYS:
        raise _malformed(part)
    begin, end = _minute(match["begin"], part), _minute(match["end"], part)
    first, last = _DAYS.index(match["first"]), _DAYS.index(match["last"] or match["first"])
    if begin >= end or begin >= 24 * 60:
        raise _malformed(part)
    days = range(first, last + 1) if first <= last else (*range(first, 7), *range(last + 1))
    return [(day, begin, end) for day in days]


def _minute(text: str, part: str) -> int:
    hours, minutes = int(text[:2]), int(text[3:])
    if text != _MIDNIGHT and (hours > 23 or minutes > 59):
        raise _malformed(part)
    return hours * 60 + minutes


def _malformed(part: str) -> ConfigurationError:
    return ConfigurationError(
        f"{part!r} is no span of hours", where="DESKSTREAM_CHAT_HOURS", fix="write mon-fri 09:00-18:00, sat 10:00-14:00"
    )
