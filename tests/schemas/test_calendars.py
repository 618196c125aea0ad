"""Business calendars against instants that were computed by hand."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from schemas.calendars import Calendar, Era, NeverOpen
from schemas.clock import MICROS
from tests.support.rules.hours import HOUR, at, span, week_of

NINE_TO_SIX = ((9 * HOUR, 18 * HOUR),)


def never(day: date) -> bool:
    return False


def calendar(zone: str, week: object = None, is_holiday: object = never, first: date = date.min) -> Calendar:
    weekdays = (NINE_TO_SIX,) * 5 + ((), ())
    return Calendar("test", "v", ZoneInfo(zone), (Era(first, week or weekdays, is_holiday),))  # type: ignore[arg-type]


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
