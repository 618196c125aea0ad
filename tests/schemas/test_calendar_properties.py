"""Business calendars against a walk of the wall clock, minute by minute, and against their own algebra."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.calendars import Calendar, Era
from schemas.clock import MICROS
from tests.support.rules.hours import HOUR, MINUTE, at, span

ZONES = (
    "Europe/London",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Asia/Tokyo",
    "Asia/Shanghai",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",  # half an hour of daylight saving
    "Pacific/Apia",  # left out the whole of 30 December 2011
    "Africa/Casablanca",  # daylight saving pauses in Ramadan
    "Asia/Tehran",
    "UTC",
)
Week = tuple[tuple[tuple[int, int], ...], ...]
weeks = st.lists(
    st.sampled_from(
        ("", "09:00-18:00", "00:00-24:00", "01:30-02:30", "22:00-06:00", "08:00-12:00 13:00-17:30", "23:30-00:30")
    ),
    min_size=7,
    max_size=7,
).map(lambda days: tuple(tuple(span(each) for each in day.split()) for day in days))
#: Three days, most of them around a change of the clocks somewhere.
starts = st.sampled_from(
    ("2026-03-07", "2026-03-28", "2026-10-24", "2026-10-31", "2026-04-04", "2026-10-03", "2026-02-17", "2026-03-21",
     "2011-12-29", "2028-02-28", "2026-12-30", "2018-11-03", "2018-02-17", "2022-09-21")
)  # fmt: skip


class Hours(NamedTuple):
    """An era as told to the walk: its hours, its only holiday if it says one, its first and last day."""

    week: Week
    holiday: date | None = None
    first: date = date.min
    last: date = date.max

    def era(self) -> Era:
        free = self.holiday
        return Era(self.first, self.week, None if free is None else lambda day: day == free, self.last)


@st.composite
def rotas(draw: st.DrawFn, around: date, days: int, weeks: st.SearchStrategy[Week] = weeks) -> list[Hours]:
    """Hours since ever, perhaps new ones from a day on, perhaps others for a while, and perhaps others within these."""
    some_day = st.integers(-days, 2 * days).map(lambda number: around + timedelta(days=number))
    free = st.none() | some_day
    found = [Hours(draw(weeks), draw(some_day))]
    if draw(st.booleans()):
        found.append(Hours(draw(weeks), draw(some_day), draw(some_day)))
    if draw(st.booleans()):
        first, last = sorted((draw(some_day), draw(some_day)))
        found.append(Hours(draw(weeks), draw(free), first, last))
        if first < last and draw(st.booleans()):
            length = (last - first).days
            begins = draw(st.integers(0, length))
            ends = draw(st.integers(begins, length - (begins == 0)))
            found.append(Hours(draw(weeks), draw(free), first + timedelta(begins), first + timedelta(ends)))
    return found


def of_rota(zone: str, rota: list[Hours]) -> Calendar:
    return Calendar("test", "v", ZoneInfo(zone), tuple(each.era() for each in rota))


def begins(rota: list[Hours], day: date) -> tuple[tuple[int, int], ...]:
    """The spans that begin on a day, asked of one entry after the other: whichever comes later overrules."""
    week: Week = ((),) * 7
    holiday = None
    for hours in rota:
        if hours.first <= day and day <= hours.last:
            week = hours.week
            holiday = hours.holiday or holiday
    return () if day == holiday else week[day.weekday()]


def walked(zone: str, rota: list[Hours], since: int, minutes: int) -> list[int]:
    """The minutes, as micros, whose wall clock stands in working time. Knows nothing of offsets or arrays."""
    found = []
    for number in range(minutes):
        instant = since + number * MINUTE * MICROS
        wall = datetime.fromtimestamp(instant / MICROS, ZoneInfo(zone))
        second = wall.hour * HOUR + wall.minute * MINUTE
        today, yesterday = wall.date(), wall.date() - timedelta(days=1)
        works = any(a <= second < b for a, b in begins(rota, today))
        nights = any(second < b - 24 * HOUR for _, b in begins(rota, yesterday))
        if works or nights:
            found.append(instant)
    return found


@given(zone=st.sampled_from(ZONES), day=starts, cut=st.integers(0, 4319), data=st.data())
@settings(max_examples=80, deadline=None)
def test_working_time_is_what_a_walk_over_the_minutes_finds(zone: str, day: str, cut: int, data: st.DataObject) -> None:
    since = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * MICROS
    rota = data.draw(rotas(date.fromisoformat(day), 2))
    tested = of_rota(zone, rota)
    minutes = walked(zone, rota, since, 3 * 24 * 60)
    until = since + cut * MINUTE * MICROS
    assert tested.business_micros(since, until) == sum(1 for each in minutes if each < until) * MINUTE * MICROS
    assert tested.is_open(until) == (until in set(minutes))


moments = st.integers(at("1996-01-01T00:00"), at("2034-01-01T00:00"))


def day_of(moment: int) -> date:
    return datetime.fromtimestamp(moment / MICROS, UTC).date()


@given(zone=st.sampled_from(ZONES), since=moments, micros=st.integers(1, 90 * 24 * HOUR * MICROS), data=st.data())
@settings(max_examples=80, deadline=None)
def test_adding_is_the_inverse_of_counting(zone: str, since: int, micros: int, data: st.DataObject) -> None:
    tested = of_rota(zone, data.draw(rotas(day_of(since), 60, weeks.filter(any))))
    due = tested.add_business(since, micros)
    assert tested.business_micros(since, due) == micros
    assert tested.business_micros(since, due - 1) == micros - 1, "it is the first such instant"
    start = tested.subtract_business(due, micros)
    assert tested.business_micros(start, due) == micros
    assert tested.business_micros(start + 1, due) == micros - 1, "it is the last such instant"


@given(zone=st.sampled_from(ZONES), times=st.lists(moments, min_size=3, max_size=3), data=st.data())
@settings(max_examples=80, deadline=None)
def test_working_time_adds_up(zone: str, times: list[int], data: st.DataObject) -> None:
    tested, (a, b, c) = of_rota(zone, data.draw(rotas(day_of(times[0]), 3000))), sorted(times)
    assert tested.business_micros(a, b) + tested.business_micros(b, c) == tested.business_micros(a, c)
    assert tested.business_micros(b, a) == -tested.business_micros(a, b)
    assert 0 <= tested.business_micros(a, b) <= b - a


@given(zone=st.sampled_from(ZONES), first=moments, days=st.integers(0, 400), week=weeks, other=weeks)
@settings(max_examples=40, deadline=None)
def test_hours_with_an_end_change_nothing_outside_of_their_days(
    zone: str, first: int, days: int, week: Week, other: Week
) -> None:
    """Inside, the time is that of a calendar of these hours alone; a night before or after may reach over the edge."""
    begin = day_of(first)
    end = begin + timedelta(days=days)
    plain, alone = of_rota(zone, [Hours(week)]), of_rota(zone, [Hours(other)])
    both = of_rota(zone, [Hours(week), Hours(other, None, begin, end)])

    def midnight(day: date, after: int = 0) -> int:
        return at((day + timedelta(days=after)).isoformat(), zone)

    for calendar, since, until in (
        (plain, midnight(begin, -30), midnight(begin)),
        (alone, midnight(begin, 1), midnight(end, 1)),
        (plain, midnight(end, 2), midnight(end, 32)),
    ):
        assert both.business_micros(since, until) == calendar.business_micros(since, until)
