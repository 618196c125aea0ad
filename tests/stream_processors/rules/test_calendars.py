"""Business calendars against hand-computed instants and against a walk, minute by minute, of the wall clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.clock import MICROS
from stream_processors.rules.calendars import Calendar, Era, NeverOpen

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
HOUR, MINUTE = 3600, 60
NINE_TO_SIX = ((9 * HOUR, 18 * HOUR),)


def never(day: date) -> bool:
    return False


def calendar(zone: str, week: object = None, is_holiday: object = never, first: date = date.min) -> Calendar:
    weekdays = (NINE_TO_SIX,) * 5 + ((), ())
    return Calendar("test", "v", ZoneInfo(zone), (Era(first, week or weekdays, is_holiday),))  # type: ignore[arg-type]


def at(text: str, zone: str = "UTC", fold: int = 0) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return int(moment.timestamp()) * MICROS


def span(text: str) -> tuple[int, int]:
    """`22:00-06:00` → seconds."""
    start, end = (int(h) * HOUR + int(m) * MINUTE for h, m in (part.split(":") for part in text.split("-")))
    return start, end if end > start else end + 24 * HOUR


def week_of(text: str) -> tuple[tuple[tuple[int, int], ...], ...]:
    return (tuple(span(each) for each in text.split()),) * 7


# -- by hand -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "since", "until", "seconds"),
    [
        # Wednesday 10:00 to 12:30 is 2 h 30 min
        ("Europe/London", "2026-11-18T10:00", "2026-11-18T12:30", 9000),
        # Friday 17:00 to Monday 10:00: 1 h on Friday and 1 h on Monday
        ("Europe/London", "2026-11-20T17:00", "2026-11-23T10:00", 7200),
        # Saturday to Sunday: nobody works
        ("Europe/London", "2026-11-21T08:00", "2026-11-22T20:00", 0),
        # before opening to after closing: the 9 h of one day
        ("Asia/Tokyo", "2026-11-18T01:00", "2026-11-18T23:00", 32_400),
        # the week in which London sets its clocks forward still has 5 days of 9 h
        ("Europe/London", "2026-03-27T18:00", "2026-04-03T18:00", 162_000),
        # backwards it is the same, negative
        ("Europe/London", "2026-11-18T12:30", "2026-11-18T10:00", -9000),
    ],
)
def test_working_time_between_two_wall_clock_times(zone: str, since: str, until: str, seconds: int) -> None:
    assert calendar(zone).business_seconds(at(since, zone), at(until, zone)) == seconds


def test_the_hour_that_the_clocks_leave_out_has_no_working_time() -> None:
    # London, 29 March 2026: 01:00 becomes 02:00. 00:30 to 03:30 on the wall are 2 h of time.
    night = calendar("Europe/London", week_of("00:30-03:30"))
    assert (
        night.business_seconds(at("2026-03-29T00:00", "Europe/London"), at("2026-03-29T12:00", "Europe/London")) == 7200
    )


def test_the_hour_that_the_clocks_repeat_counts_twice() -> None:
    # London, 25 October 2026: 02:00 becomes 01:00. 01:15 to 01:45 on the wall comes twice: 1 h.
    night = calendar("Europe/London", week_of("01:15-01:45"))
    since, until = at("2026-10-25T00:00", "Europe/London"), at("2026-10-25T12:00", "Europe/London")
    assert night.business_seconds(since, until) == 3600
    first, second = night.spans(since, until)
    assert first == (at("2026-10-25T00:15"), at("2026-10-25T00:45"))
    assert second == (at("2026-10-25T01:15"), at("2026-10-25T01:45"))


def test_a_span_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    # Friday night shift 22:00 to 06:00, Saturday is a holiday: the shift goes on, Saturday's own does not begin.
    shifts = calendar("Europe/Berlin", week_of("22:00-06:00"), lambda day: day == date(2026, 11, 21))
    friday, sunday = at("2026-11-20T12:00", "Europe/Berlin"), at("2026-11-22T12:00", "Europe/Berlin")
    assert [*shifts.spans(friday, sunday)] == [
        (at("2026-11-20T22:00", "Europe/Berlin"), at("2026-11-21T06:00", "Europe/Berlin"))
    ]


def test_several_spans_and_spans_that_touch() -> None:
    lunch = calendar("Asia/Tokyo", week_of("09:00-12:00 13:00-15:00 15:00-18:00"))
    day = [*lunch.spans(at("2026-11-18T00:00", "Asia/Tokyo"), at("2026-11-19T00:00", "Asia/Tokyo"))]
    assert day == [
        (at("2026-11-18T09:00", "Asia/Tokyo"), at("2026-11-18T12:00", "Asia/Tokyo")),
        (at("2026-11-18T13:00", "Asia/Tokyo"), at("2026-11-18T18:00", "Asia/Tokyo")),
    ]


def test_the_day_that_samoa_left_out_has_no_working_time() -> None:
    apia = calendar("Pacific/Apia", week_of("09:00-17:00"))
    spans = [*apia.spans(at("2011-12-29T00:00", "Pacific/Apia"), at("2012-01-01T00:00", "Pacific/Apia"))]
    assert [datetime.fromtimestamp(a / MICROS, ZoneInfo("Pacific/Apia")).day for a, _ in spans] == [29, 31]


def test_on_a_leap_day_people_work() -> None:
    assert calendar("UTC").business_seconds(at("2028-02-29T00:00"), at("2028-03-01T00:00")) == 32_400


def test_new_hours_hold_from_their_day_on() -> None:
    later = tuple((span("10:00-16:00"),) for _ in range(7))
    eras = (Era(date.min, week_of("09:00-18:00"), never), Era(date(2026, 7, 1), later, never))
    changing = Calendar("test", "v", ZoneInfo("Europe/London"), eras)
    zone = "Europe/London"
    assert changing.business_seconds(at("2026-06-30T00:00", zone), at("2026-07-01T00:00", zone)) == 9 * HOUR
    assert changing.business_seconds(at("2026-07-01T00:00", zone), at("2026-07-02T00:00", zone)) == 6 * HOUR


@pytest.mark.parametrize(
    ("since", "hours", "until"),
    [
        ("2026-11-18T10:00", 2, "2026-11-18T12:00"),
        ("2026-11-18T17:00", 1, "2026-11-18T18:00"),  # the end of the day itself, not the next morning
        ("2026-11-18T17:00", 2, "2026-11-19T10:00"),
        ("2026-11-20T17:30", 1, "2026-11-23T09:30"),  # over the weekend
        ("2026-11-21T12:00", 9, "2026-11-23T18:00"),  # asked on a Saturday
        ("2026-12-31T17:00", 2, "2027-01-01T10:00"),  # from one year into the next
    ],
)
def test_when_so_many_working_hours_will_have_passed(since: str, hours: int, until: str) -> None:
    office = calendar("Europe/London")
    due = office.add_business(at(since, "Europe/London"), hours * HOUR * MICROS)
    assert due == at(until, "Europe/London")


def test_nothing_added_is_the_same_instant_even_at_night() -> None:
    assert calendar("UTC").add_business(at("2026-11-21T03:00"), 0) == at("2026-11-21T03:00")


def test_counting_back_from_the_morning_ends_the_day_before() -> None:
    office = calendar("UTC")
    assert office.subtract_business(at("2026-11-23T10:00"), 2 * HOUR * MICROS) == at("2026-11-20T17:00")


def test_open_and_when_it_opens() -> None:
    office = calendar("UTC")
    assert office.is_open(at("2026-11-18T09:00"))
    assert not office.is_open(at("2026-11-18T18:00"))
    assert office.opens_at(at("2026-11-20T18:00")) == at("2026-11-23T09:00")
    assert office.opens_at(at("2026-11-18T10:30")) == at("2026-11-18T10:30")


def test_a_calendar_that_never_opens_says_so() -> None:
    with pytest.raises(NeverOpen):
        calendar("UTC", ((),) * 7).add_business(at("2026-11-18T09:00"), 1)
    with pytest.raises(NeverOpen):
        calendar("UTC", ((),) * 7).subtract_business(at("2026-11-18T09:00"), 1)


def opening(first: str, week: tuple[tuple[tuple[int, int], ...], ...] = (NINE_TO_SIX,) * 7) -> Era:
    return Era(date.fromisoformat(first), week, never)


def with_eras(*eras: Era) -> Calendar:
    return Calendar("test", "v", ZoneInfo("UTC"), eras)


def test_hours_with_an_end_hold_from_first_to_last_day() -> None:
    summer = Era(date(2026, 7, 1), week_of("08:00-15:00"), None, date(2026, 8, 31))
    office = with_eras(opening("2000-01-01"), summer)
    days = [
        office.business_seconds(at(f"{day}T00:00"), at(f"{day}T00:00") + 24 * HOUR * MICROS) / HOUR
        for day in ("2026-06-30", "2026-07-01", "2026-08-31", "2026-09-01")
    ]
    assert days == [9, 7, 7, 9]


def test_hours_with_an_end_end_at_midnight_of_the_calendars_zone() -> None:
    """31 August ends in London at 23:00 UTC. Hours without an end have none, and those that outlast all calendars too."""
    eras = (
        opening("2000-01-01"),
        Era(date(2026, 7, 1), (NINE_TO_SIX,) * 7, None, date(2026, 8, 31)),
        Era(date(2026, 7, 1), (NINE_TO_SIX,) * 7, None, date(2200, 1, 1)),
        Era(date(2026, 7, 1), (NINE_TO_SIX,) * 7, None, date(2199, 12, 31)),
    )
    london = Calendar("test", "v", ZoneInfo("Europe/London"), eras)
    assert [*london.ends()] == [
        (date(2026, 8, 31), at("2026-08-31T23:00")),
        (date(2199, 12, 31), at("2200-01-01T00:00")),
    ]


@pytest.mark.parametrize(
    ("since", "until"),
    [("2026-06-01T12:00", 2037), ("2188-06-01T12:00", 2199), ("2189-06-01T12:00", 2200), ("2195-06-01T12:00", 2200)],
)
def test_what_never_opens_says_up_to_which_year_it_was_looked_for(since: str, until: int) -> None:
    with pytest.raises(NeverOpen, match=f"^test: not enough working time up to the end of {until}$"):
        with_eras().add_business(at(since), 1)


@pytest.mark.parametrize(
    ("until", "since"), [("2026-06-01T12:00", 2015), ("1981-06-01T12:00", 1970), ("1975-06-01T12:00", 1970)]
)
def test_what_was_never_open_says_back_to_which_year_it_was_looked_for(until: str, since: int) -> None:
    with pytest.raises(NeverOpen, match=f"^test: not enough working time back to the beginning of {since}$"):
        with_eras().subtract_business(at(until), 1)


def test_twelve_years_are_looked_through_for_working_time() -> None:
    """2026 to 2037."""
    assert with_eras(opening("2037-05-01")).add_business(at("2026-06-01T12:00"), 1) == at("2037-05-01T09:00") + 1
    with pytest.raises(NeverOpen):
        with_eras(opening("2038-01-01")).add_business(at("2026-06-01T12:00"), 1)


def test_twelve_years_are_looked_back_through_for_working_time() -> None:
    """2041 to 2030, and 2040 to 2029, the last day of which had hours."""
    closed = with_eras(opening("2000-01-01"), opening("2030-01-01", ((),) * 7))
    assert closed.subtract_business(at("2040-06-01T12:00"), 1) == at("2029-12-31T18:00") - 1
    with pytest.raises(NeverOpen):
        closed.subtract_business(at("2041-06-01T12:00"), 1)


def test_after_the_year_2200_nobody_works() -> None:
    """Its last day is a Wednesday."""
    office = calendar("UTC")
    assert office.business_seconds(at("2200-12-31T17:00"), at("2201-01-02T12:00")) == HOUR
    assert office.add_business(at("2200-12-31T17:00"), HOUR * MICROS) == at("2200-12-31T18:00")
    for since in ("2200-12-31T17:00", "2210-01-05T10:00"):
        with pytest.raises(NeverOpen):
            office.add_business(at(since), HOUR * MICROS + 1)


def test_before_the_year_1970_nobody_worked() -> None:
    """Its first day is a Thursday."""
    office = calendar("UTC")
    assert office.business_seconds(at("1969-12-30T09:00"), at("1970-01-01T10:00")) == HOUR
    assert office.subtract_business(at("1970-01-01T10:00"), HOUR * MICROS) == at("1970-01-01T09:00")
    with pytest.raises(NeverOpen):
        office.subtract_business(at("1970-01-01T10:00"), HOUR * MICROS + 1)


# -- against the walk ----------------------------------------------------------------------------------------------

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
