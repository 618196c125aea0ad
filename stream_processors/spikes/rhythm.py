"""Learns the daily and weekly rhythm of one tag from its counts of the last weeks.

Counts are kept per hour of the week, local time of the desk, for `WEEKS` weeks: whole numbers, which no order of the log
changes. What is expected of a day is worked out from them when it begins, and once more for each hour by what
the last ones brought (ADR 45).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt
from typing import ClassVar

import msgspec

__all__ = [
    "HOURS",
    "LEARNING_HOURS",
    "WEEKS",
    "Day",
    "Rhythm",
    "expected_between",
    "expected_in_hour",
    "expected_of_day",
]

#: Hours of a week.
HOURS = 168
#: So many weeks are remembered, the present one included.
WEEKS = 9
#: No tag can break out of a rhythm that is known for less than two weeks.
LEARNING_HOURS = 2 * HOURS
#: What a week weighs, of the next one's weight.
_FADING = 0.85
_WEIGHTS = tuple(_FADING**age for age in range(WEEKS))
#: Contacts that an estimate from a coarser view is worth, against what was counted in the hour of the week itself.
_PRIOR = 3.0
#: And as many weeks of what the coarser view expects.
_PRIOR_WEEKS = 1.0
#: A level of the last days, of today or of the hours around that is no higher than this is chance.
_CHANCE = 1.05
#: An hour of the past counts for at most so many times what was usual then, and so many contacts more: outbreaks teach little.
_CLIP_TIMES, _CLIP_MORE = 2.5, 4.0
#: The level of the last days is the median of so many days.
_LEVEL_DAYS = 3
_MOST_LEVEL = 8.0
#: The level of today is that of so many hours, with so many usual contacts added; at most so many times the usual.
_TODAY_HOURS, _TODAY_PRIOR, _MOST_TODAY = 6, 8.0, 1.8
#: One squared difference counts for at most so many times the variance expected of it.
_CLIP_VARIANCE = 16.0
#: Differences that tell how scattered counts are, and what no scatter at all is worth among them.
_DISPERSION_HOURS, _DISPERSION_PRIOR = 3 * HOURS, 20.0
#: Bunches and busy hours reach further than their variance says.
_DISPERSION_TAIL = 1.3
#: Below so many contacts an hour, days are compared instead of hours; above so many, hours are busy ones.
_FEW_PER_HOUR, _MANY_PER_HOUR, _ENOUGH_HOURS = 0.5, 12.0, 48
#: The share by which one hour is busier than another without bunches: what is taken for granted, and the squared share beyond
#: which an hour is a spike.
_LEAST_BUSIER, _MOST_BUSIER = 0.03, 0.2
#: Squares of what weeks miss that are part of the forecast, to those of weeks that are not.
_IN_SAMPLE = 1.3
_EMPTY = bytes(HOURS)


class Day(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds what is expected of one day, by the hours before it.

    start       its first hour (local, since 1970)
    per_week    contacts in a week, at the present level
    dispersion  the variance of a count, in means: 1 for independent contacts, more where they come in bunches
    hours       contacts of each of its hours, and before them of the last hours of the day before
    """

    start: int = 0
    per_week: float = 0.0
    dispersion: float = 1.0
    hours: tuple[float, ...] = ()

    def of(self, hour: int) -> float:
        """Returns how many contacts are usual in an hour of this day, or shortly before it."""
        return self.hours[hour - self.start + _TODAY_HOURS]


class Rhythm(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds the counts of one tag per hour.

    since   the hour (local, since 1970) from which on it is known how many there were, also where it was none
    week    the week of the last row
    rows    counts of the weeks up to `week`, oldest first: a byte for each hour, or two or four
    """

    SIZES: ClassVar[dict[int, str]] = {HOURS: "B", 2 * HOURS: "H", 4 * HOURS: "I"}

    since: int
    week: int = 0
    rows: tuple[bytes, ...] = ()

    def add(self, hour: int, count: int, *, history: bool = False) -> Rhythm:
        """Returns the rhythm with these contacts of an hour; too old ones are left out.

        `history` says that all contacts since then are to come as well: it is known from then on how many there were.
        """
        week, slot = divmod(hour, HOURS)
        rhythm = self.until(hour)
        place = len(rhythm.rows) - 1 - (rhythm.week - week)
        if place < 0:
            missing = -place
            if len(rhythm.rows) + missing > WEEKS:
                return rhythm
            rhythm = msgspec.structs.replace(rhythm, rows=(*[_EMPTY] * missing, *rhythm.rows))
            place = 0
        counts = list(_unpacked(rhythm.rows[place]))
        counts[slot] += count
        rows = (*rhythm.rows[:place], _packed(counts), *rhythm.rows[place + 1 :])
        return msgspec.structs.replace(rhythm, rows=rows, since=min(rhythm.since, hour) if history else rhythm.since)

    def until(self, hour: int) -> Rhythm:
        """Returns the rhythm with rows up to the week of this hour."""
        week = hour // HOURS
        if not self.rows:
            return msgspec.structs.replace(self, week=week, rows=(_EMPTY,))
        if week <= self.week:
            return self
        rows = (*self.rows, *[_EMPTY] * min(WEEKS, week - self.week))[-WEEKS:]
        return msgspec.structs.replace(self, week=week, rows=rows)

    def with_counts_of(self, other: Rhythm) -> Rhythm:
        """Returns the rhythm of both together: that of a tag which two tags became."""
        if not other.rows:
            return self
        if not self.rows:
            return other
        last = max(self.week, other.week)
        ours, theirs = self.until(last * HOURS), other.until(last * HOURS)
        length = max(len(ours.rows), len(theirs.rows))
        rows = tuple(
            _packed([a + b for a, b in zip(_unpacked(ours.row(age)), _unpacked(theirs.row(age)), strict=True)])
            for age in reversed(range(length))
        )
        return Rhythm(since=min(self.since, other.since), week=last, rows=rows)

    def count(self, hour: int) -> int:
        """Returns the contacts of an hour."""
        week, slot = divmod(hour, HOURS)
        return _unpacked(self.row(self.week - week))[slot] if week <= self.week else 0

    def row(self, age: int) -> bytes:
        """Returns the counts of a week, 0 for the last one."""
        return self.rows[-1 - age] if age < len(self.rows) else _EMPTY


def _packed(counts: Sequence[int]) -> bytes:
    largest = max(counts)
    if largest < 256:
        return bytes(counts)
    width = 2 if largest < 65_536 else 4
    return b"".join(min(count, 0xFFFFFFFF).to_bytes(width, "little") for count in counts)


def _unpacked(row: bytes) -> Sequence[int]:
    width = len(row) // HOURS
    if width == 1:
        return row
    return [int.from_bytes(row[place : place + width], "little") for place in range(0, len(row), width)]


def expected_of_day(rhythm: Rhythm, hour: int) -> Day:
    """Returns what is expected of the day of an hour (local, since 1970), by the hours before this one."""
    hours, dispersion = _expected_hours(rhythm, hour)
    start = hour - hour % 24
    around = tuple(_short(hours[each % HOURS]) for each in range(start - _TODAY_HOURS, start + 24))
    return Day(start, _short(sum(hours)), _short(dispersion), around)


def expected_in_hour(rhythm: Rhythm, day: Day, hour: int) -> float:
    """Returns how many contacts are expected in an hour of the day: more than usual if the hours before brought more."""
    counted = expected = 0.0
    for earlier in range(max(hour - _TODAY_HOURS, rhythm.since), hour):
        counted, expected = counted + rhythm.count(earlier), expected + day.of(earlier)
    return _short(day.of(hour) * _today(counted, expected))


def expected_between(rhythm: Rhythm, first: int, end: int) -> float:
    """Returns how many contacts are usual in the whole hours from `first` until `end`."""
    if end <= first:
        return 0.0
    hours, _ = _expected_hours(rhythm, end)
    weeks, rest = divmod(end - first, HOURS)
    return weeks * sum(hours) + sum(hours[hour % HOURS] for hour in range(first, first + rest))


def _expected_hours(rhythm: Rhythm, hour: int) -> tuple[list[float], float]:
    """Returns the contacts of each hour of the week that are not more than usual, at the present level; and their dispersion."""
    known = _Known(rhythm, hour)
    slots = known.of_slots(known.usual())
    dispersion, busier = known.scatter(slots)
    hours = _smoothed(slots)
    few = 1 / sqrt(known.total + 1)  # of few contacts nobody knows how many are usual
    factor = known.level(hours) * (1 + few + busier)
    return [each * factor for each in hours], dispersion


class _Known:
    """The counts of the hours from `since` until `hour`, with what weeks weigh."""

    def __init__(self, rhythm: Rhythm, hour: int) -> None:
        rhythm = rhythm.until(hour)
        self.hour, self.first = hour, max(rhythm.since, (rhythm.week - len(rhythm.rows) + 1) * HOURS)
        self.weeks = [_unpacked(rhythm.row(age)) for age in range(len(rhythm.rows))]
        self.week = rhythm.week
        self.observed = [0.0] * HOURS
        for age in range(len(self.weeks)):
            start = (self.week - age) * HOURS
            weight = _WEIGHTS[age]
            for slot in range(max(0, self.first - start), max(0, min(HOURS, hour - start))):
                self.observed[slot] += weight
        self.total = sum(map(sum, self.weeks))

    def usual(self) -> list[float]:
        """Returns contacts of each hour of the week by hour of the day and day of the week alone."""
        sums = self._sums(None)
        return self._by_day_and_hour(sums)

    def of_slots(self, usual: Sequence[float]) -> list[float]:
        """Returns contacts of each hour of the week, from its own counts as far as there are enough; outbreaks are clipped."""
        sums = self._sums(usual)
        usual = self._by_day_and_hour(sums)
        return [
            (count + _PRIOR + _PRIOR_WEEKS * mean) / (weight + _PRIOR / mean + _PRIOR_WEEKS)
            for count, weight, mean in zip(sums, self.observed, usual, strict=True)
        ]

    def _sums(self, usual: Sequence[float] | None) -> list[float]:
        sums = [0.0] * HOURS
        for age, counts in enumerate(self.weeks):
            if not any(counts):
                continue
            weight = _WEIGHTS[age]
            if usual is None:
                sums = [total + weight * count for total, count in zip(sums, counts, strict=True)]
            else:
                sums = [
                    total + weight * min(count, _CLIP_TIMES * mean + _CLIP_MORE)
                    for total, count, mean in zip(sums, counts, usual, strict=True)
                ]
        return sums

    def _by_day_and_hour(self, sums: Sequence[float]) -> list[float]:
        observed = self.observed
        mean = (sum(sums) + 0.5) / max(sum(observed), 1.0)
        hours = [(sum(sums[hour::24]) + _PRIOR) / (sum(observed[hour::24]) * mean + _PRIOR) for hour in range(24)]
        days = [
            (sum(sums[day : day + 24]) + _PRIOR) / (sum(observed[day : day + 24]) * mean + _PRIOR)
            for day in range(0, HOURS, 24)
        ]
        return [mean * days[slot // 24] * hours[slot % 24] for slot in range(HOURS)]

    def counts(self, first: int, end: int) -> Iterator[tuple[int, int]]:
        """Yields `(count, slot)` of the known hours from `first` until `end`, in order."""
        for hour in range(max(first, self.first), min(end, self.hour)):
            week, slot = divmod(hour, HOURS)
            yield self.weeks[self.week - week][slot], slot

    def level(self, hours: Sequence[float]) -> float:
        """Returns how many times the usual the last days brought, the median of three of them; less than usual counts as usual."""
        ratios = []
        for day in range(_LEVEL_DAYS):
            end = self.hour - 24 * day
            seen = list(self.counts(end - 24, end))
            mean = sum(hours[slot] for _, slot in seen)
            ratios.append((sum(count for count, _ in seen) + _PRIOR) / (mean + _PRIOR))
        return min(max(1.0, sorted(ratios)[_LEVEL_DAYS // 2] / _CHANCE), _MOST_LEVEL)

    def scatter(self, hours: Sequence[float]) -> tuple[float, float]:
        """Returns by how much counts scatter: the variance of a count in means, at least 1; and the share by which busy hours differ.

        The first is that of bunches, measured in quiet hours, where it outweighs the second.
        """
        if sum(hours) < _FEW_PER_HOUR * HOURS:
            return _dispersion(self._missed_in_spans(hours)), _LEAST_BUSIER
        quiet, busy = self._missed_in_hours(hours)
        dispersion = _dispersion([square for square, _ in (quiet if len(quiet) >= _ENOUGH_HOURS else quiet + busy)])
        excess = sum(
            min(max((square - dispersion) / forecast, -_MOST_BUSIER), _MOST_BUSIER) for square, forecast in busy
        )
        variance = (excess + _DISPERSION_PRIOR * _LEAST_BUSIER**2) / (len(busy) + _DISPERSION_PRIOR)
        return dispersion, sqrt(max(variance, _LEAST_BUSIER**2))

    def _missed_in_hours(self, hours: Sequence[float]) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        """Returns, of quiet hours and of busy ones, `(square, forecast)`: what each missed, as it was expected when it began."""
        steps = [(count, hours[slot]) for count, slot in self.counts(self.hour - _DISPERSION_HOURS, self.hour)]
        counted = expected = 0.0
        quiet: list[tuple[float, float]] = []
        busy: list[tuple[float, float]] = []
        for place, (count, mean) in enumerate(steps):
            if mean >= _FEW_PER_HOUR:
                forecast = mean * _today(counted, expected)
                square = _IN_SAMPLE * (count - forecast) ** 2 / forecast
                (quiet if mean <= _MANY_PER_HOUR else busy).append((square, forecast))
            counted, expected = counted + count, expected + mean
            if place >= _TODAY_HOURS:
                counted, expected = counted - steps[place - _TODAY_HOURS][0], expected - steps[place - _TODAY_HOURS][1]
        return quiet, busy

    def _missed_in_spans(self, hours: Sequence[float]) -> list[float]:
        """Returns squares of what days missed, or weeks: a rare tag's hours tell nothing."""
        return [(count - mean) ** 2 / mean for count, mean in self._days(hours) if mean > 0]

    def _days(self, hours: Sequence[float]) -> list[tuple[int, float]]:
        """Returns count and mean of whole spans in which a few contacts are expected, of all that is known."""
        per_hour = sum(hours) / HOURS
        span = 24 if per_hour * 24 >= _FEW_PER_HOUR else HOURS
        found = []
        for end in range(self.hour, self.first + span - 1, -span):
            seen = list(self.counts(end - span, end))
            found.append((sum(count for count, _ in seen), sum(hours[slot] for _, slot in seen)))
        return found[::-1]


def _dispersion(squares: Sequence[float]) -> float:
    total = sum(min(square, _CLIP_VARIANCE) for square in squares)
    dispersion = (total + _DISPERSION_PRIOR) / (len(squares) + _DISPERSION_PRIOR)
    return 1.0 + max(0.0, dispersion - 1.0) * _DISPERSION_TAIL


def _today(counted: float, expected: float) -> float:
    return min(max(1.0, (counted + _TODAY_PRIOR) / (expected + _TODAY_PRIOR) / _CHANCE), _MOST_TODAY)


def _smoothed(hours: Sequence[float]) -> list[float]:
    """Returns each hour, or the mean of it and its neighbours if that is more: a rush may begin a little earlier."""
    around = [hours[-1], *hours, hours[0]]
    return [
        max(mean, (before + 2 * mean + after) / 4 / _CHANCE)
        for before, mean, after in zip(around, hours, around[2:], strict=False)
    ]


def _short(number: float) -> float:
    """Returns six digits of a number: the same on every machine."""
    return float(f"{number:.6g}")
