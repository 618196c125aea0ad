"""Counts working time between two instants by a business calendar, and finds when so much of it will have passed.

Working time is every instant whose wall clock, in the calendar's zone, reads a time inside one of the spans of that
day. So the hour that a change of the clocks leaves out has no working time in it, and the hour that it repeats counts
twice. A span belongs to the day it begins on: `22:00-06:00` on Friday ends on Saturday morning, even if Saturday is
a holiday, or the first day of other hours.

Instants and durations are microseconds. A calendar is computed one UTC year at a time, when that year is first asked
for, into sorted arrays; every question is then answered by bisection.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate
from typing import NamedTuple
from zoneinfo import ZoneInfo

from schemas.clock import MICROS

__all__ = ["CLOSED", "Calendar", "Era", "NeverOpen"]

#: Why nobody works at an instant.
CLOSED = ("out_of_hours", "weekend", "holiday")

DAY_SECONDS = 86_400
#: Before and after these years nobody works.
FIRST_YEAR, LAST_YEAR = 1970, 2200
#: Beyond so many years without working time a calendar will never open again.
LONGEST_CLOSED_YEARS = 12
#: No zone has changed its clocks twice within so many seconds.
_SAMPLE_SECONDS = 6 * 3600
#: Instants whose place in the working time is remembered.
_REMEMBERED = 64
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_YEAR_STARTS = [int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * MICROS for year in range(FIRST_YEAR, LAST_YEAR + 2)]

#: Seconds after local midnight, [start, end); an end beyond 86,400 is on the next day.
Span = tuple[int, int]


class NeverOpen(Exception):
    """Raised when a calendar has too little working time left for what is asked."""


class Era(NamedTuple):
    """The hours from local day `first` to local day `last`: the spans of Monday to Sunday, and the holidays.

    Without `is_holiday` the holidays are those that would hold without this era.
    """

    first: date
    week: tuple[tuple[Span, ...], ...]
    is_holiday: Callable[[date], bool] | None
    last: date = date.max

    def holds(self, local: date) -> bool:
        """Returns true when the era holds on a local day."""
        return self.first <= local <= self.last


class _Year(NamedTuple):
    """The working time of one UTC year: disjoint spans in order, and the sums before and up to the end of each."""

    starts: list[int]
    ends: list[int]
    before: list[int]
    until: list[int]
    total: int


@dataclass(frozen=True, slots=True)
class Calendar:
    """Working hours in a zone. `version` is that of the content of the file.

    Of `eras` that hold on one day the last in order counts.
    """

    name: str
    version: str
    zone: ZoneInfo
    eras: tuple[Era, ...]
    _years: dict[int, _Year] = field(default_factory=dict, compare=False, repr=False)
    #: local day → why it has hours that are no working time
    _closed: dict[date, str] = field(default_factory=dict, compare=False, repr=False)
    #: instant → its year, and the working time of it before: several clocks start with the same event
    _begun: dict[int, tuple[int, int]] = field(default_factory=dict, compare=False, repr=False)

    def business_micros(self, since: int, until: int) -> int:
        """Returns the working microseconds from `since` to `until`; negative when `until` is earlier."""
        first, last = _year_of(since), _year_of(until)
        between = self._worked(last, until) - self._worked(first, since)
        if first == last:
            return between
        low, high = min(first, last), max(first, last)
        passed = sum(self._year(year).total for year in range(low, high))
        return between + (passed if first < last else -passed)

    def business_seconds(self, since: int, until: int) -> float:
        """Returns the working seconds from `since` to `until` (micros)."""
        return self.business_micros(since, until) / MICROS

    def add_business(self, since: int, micros: int) -> int:
        """Returns the first instant by which so much working time has passed since `since`; `since` itself for none.

        With negative `micros` the last instant since which so much has passed until `since`.

        Raises:
            NeverOpen: there is not so much working time within reach.
        """
        if micros == 0:
            return since
        year, worked = self._begun.get(since) or self._begin(since)
        wanted = worked + micros
        return self._forward(year, wanted) if micros > 0 else self._backward(year, wanted)

    def subtract_business(self, until: int, micros: int) -> int:
        """Returns the last instant from which so much working time passes until `until`."""
        return self.add_business(until, -micros)

    def is_open(self, at: int) -> bool:
        """Returns true when `at` is working time."""
        table = self._year(_year_of(at))
        place = bisect_right(table.starts, at) - 1
        return place >= 0 and at < table.ends[place]

    def closed_because(self, at: int) -> str:
        """Returns why `at` is no working time, one of `CLOSED`; '' when it is working time."""
        if self.is_open(at):
            return ""
        local = datetime.fromtimestamp(at / MICROS, self.zone).date()
        reason = self._closed.get(local)
        if reason is None:
            if len(self._closed) >= _REMEMBERED:
                self._closed.clear()
            reason = self._closed[local] = self._closed_on(local)
        return reason

    def _closed_on(self, local: date) -> str:
        """Returns why a local day has hours that are no working time."""
        holding = [era for era in reversed(self.eras) if era.holds(local)]
        is_holiday = next((era.is_holiday for era in holding if era.is_holiday), None)
        if is_holiday and is_holiday(local):
            return "holiday"
        is_weekend = local.weekday() >= 5 and not (holding and holding[0].week[local.weekday()])
        return "weekend" if is_weekend else "out_of_hours"

    def opens_at(self, at: int) -> int:
        """Returns `at` when it is working time, otherwise the next instant that is.

        Raises:
            NeverOpen: it does not open again.
        """
        return at if self.is_open(at) else self.add_business(at, 1) - 1

    def closes_at(self, at: int) -> int | None:
        """Returns when the working time of `at` ends; None when it is none, or goes on for more than a year."""
        latest = at + 366 * DAY_SECONDS * MICROS
        end = at
        for start, until in self.spans(at, latest):
            if start > end:
                break
            end = until
        return None if end in (at, latest) else end

    def week_on(self, local: date) -> tuple[tuple[Span, ...], ...]:
        """Returns the hours of Monday to Sunday as they hold on a local day, holidays aside; none where no era holds."""
        holding = [era for era in self.eras if era.holds(local)]
        return holding[-1].week if holding else ((),) * 7

    def ends(self) -> Iterator[tuple[date, int]]:
        """Yields the last day of every era that ends within reach, and the instant after it."""
        for era in self.eras:
            if era.last.year < LAST_YEAR:
                next_day = datetime.combine(era.last + timedelta(days=1), time(), self.zone)
                yield era.last, int(next_day.timestamp()) * MICROS

    def spans(self, since: int, until: int) -> Iterator[tuple[int, int]]:
        """Returns the working time between two instants, as (start, end) pairs in order."""
        for year in range(_year_of(since), _year_of(until) + 1):
            table = self._year(year)
            for start, end in zip(table.starts, table.ends, strict=True):
                if end > since and start < until:
                    yield max(start, since), min(end, until)

    def _begin(self, since: int) -> tuple[int, int]:
        if len(self._begun) >= _REMEMBERED:
            self._begun.clear()
        year = _year_of(since)
        begun = self._begun[since] = year, self._worked(year, since)
        return begun

    def _worked(self, year: int, at: int) -> int:
        """Returns the working time from the beginning of the year to `at`, which lies in it."""
        table = self._year(year)
        place = bisect_right(table.starts, at) - 1
        if place < 0:
            return 0
        return table.before[place] + min(at, table.ends[place]) - table.starts[place]

    def _forward(self, year: int, wanted: int) -> int:
        beyond = min(year + LONGEST_CLOSED_YEARS, LAST_YEAR + 1)
        for candidate in range(year, beyond):
            table = self._year(candidate)
            if wanted <= table.total:
                place = bisect_left(table.until, wanted)
                return table.starts[place] + wanted - table.before[place]
            wanted -= table.total
        raise NeverOpen(f"{self.name}: not enough working time up to the end of {beyond - 1}")

    def _backward(self, year: int, wanted: int) -> int:
        beyond = max(year - LONGEST_CLOSED_YEARS, FIRST_YEAR - 1)
        for candidate in range(year, beyond, -1):
            if candidate != year:
                wanted += self._year(candidate).total
            if wanted >= 0 and (table := self._year(candidate)).starts and wanted < table.total:
                place = bisect_right(table.before, wanted) - 1
                return table.starts[place] + wanted - table.before[place]
        raise NeverOpen(f"{self.name}: not enough working time back to the beginning of {beyond + 1}")

    # -- computing a year -----------------------------------------------------------------------------------------

    def _year(self, year: int) -> _Year:
        table = self._years.get(year)
        if table is None:
            table = self._years[year] = self._compute(year)
        return table

    def _compute(self, year: int) -> _Year:
        begins, ends = _YEAR_STARTS[year - FIRST_YEAR] // MICROS, _YEAR_STARTS[year - FIRST_YEAR + 1] // MICROS
        wall = self._wall_spans(begins // DAY_SECONDS - 3, ends // DAY_SECONDS + 3)
        pieces: list[tuple[int, int]] = []
        for since, until, offset in _offsets(self.zone, begins, ends):
            for start, end in wall:
                low, high = max(start - offset, since), min(end - offset, until)
                if low < high:
                    _append(pieces, low, high)
        lengths = [(high - low) * MICROS for low, high in pieces]
        reached = list(accumulate(lengths))
        return _Year(
            starts=[low * MICROS for low, _ in pieces],
            ends=[high * MICROS for _, high in pieces],
            before=[until - length for until, length in zip(reached, lengths, strict=True)],
            until=reached,
            total=reached[-1] if reached else 0,
        )

    def _wall_spans(self, first: int, last: int) -> list[tuple[int, int]]:
        """Yields the spans of local days, in seconds of the wall clock since 1970-01-01, disjoint and in order."""
        spans: list[tuple[int, int]] = []
        for day in range(first, last + 1):
            for start, end in self.hours_on(date.fromordinal(_EPOCH_DAY + day)):
                _append(spans, day * DAY_SECONDS + start, day * DAY_SECONDS + end)
        return spans

    def hours_on(self, local: date) -> tuple[Span, ...]:
        """Returns the spans that begin on a local day, none on a holiday."""
        holding = [era for era in reversed(self.eras) if era.holds(local)]
        is_holiday = next((era.is_holiday for era in holding if era.is_holiday), None)
        if not holding or (is_holiday and is_holiday(local)):
            return ()
        return holding[0].week[local.weekday()]


def _append(spans: list[tuple[int, int]], start: int, end: int) -> None:
    """Adds a span that begins no earlier than the last one; what overlaps or touches becomes one."""
    if spans and start <= spans[-1][1]:
        spans[-1] = (spans[-1][0], max(spans[-1][1], end))
    else:
        spans.append((start, end))


def _year_of(at: int) -> int:
    year = bisect_right(_YEAR_STARTS, at) - 1 + FIRST_YEAR
    return year if FIRST_YEAR <= year <= LAST_YEAR else FIRST_YEAR if year < FIRST_YEAR else LAST_YEAR


def _offsets(zone: ZoneInfo, begins: int, ends: int) -> Iterator[tuple[int, int, int]]:
    """Yields (since, until, offset from UTC), all in seconds, for every stretch of the year with one offset."""

    def offset_at(second: int) -> int:
        offset = datetime.fromtimestamp(second, zone).utcoffset()
        assert offset is not None
        return int(offset.total_seconds())

    since, current = begins, offset_at(begins)
    for sample in range(begins + _SAMPLE_SECONDS, ends + _SAMPLE_SECONDS, _SAMPLE_SECONDS):
        sample = min(sample, ends)
        if (changed := offset_at(sample)) == current:
            continue
        low, high = sample - _SAMPLE_SECONDS, sample  # the offset at `low` is the old one, at `high` the new one
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset_at(middle) == current else (low, middle)
        yield since, high, current
        since, current = high, changed
    if since < ends:
        yield since, ends, current
