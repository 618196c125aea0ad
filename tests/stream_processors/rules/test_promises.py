"""What the shipped policies promise, over every hour of a year, against opening hours that are written down here by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.calendars import Calendar
from schemas.calendars_file import Calendars
from schemas.clock import MICROS
from schemas.events import CHANNELS, LOCALES
from stream_processors.rules.policies import Policy
from stream_processors.rules.ruleset import load
from stream_processors.text.promised_time import promised_time

LONDON = ZoneInfo("Europe/London")
YEAR = 2026
#: England, as gov.uk lists them; those of the neighbouring years that a promise of 2026 can meet.
HOLIDAYS = frozenset(
    date(*day)
    for day in (
        (2026, 1, 1), (2026, 4, 3), (2026, 4, 6), (2026, 5, 4), (2026, 5, 25), (2026, 8, 31), (2026, 12, 25),
        (2026, 12, 28), (2027, 1, 1), (2025, 12, 25), (2025, 12, 26),
    )
)  # fmt: skip
#: Which hours (Monday to Friday, Saturday) are staffed for a channel.
PHONES, OFFICE = ((8, 20), (10, 16)), ((9, 18), (0, 0))
HOURS = {
    **dict.fromkeys(("chat", "phone", "bot", "voicemail", "in_person"), PHONES),
    **dict.fromkeys(("email", "form", "help_centre", "sms", "social"), OFFICE),
}
#: First-response target of a normal ticket of a customer like any other, in working seconds.
TARGETS = {
    **dict.fromkeys(("chat", "phone", "bot"), 120),
    **dict.fromkeys(("sms", "social", "voicemail"), 3600),
    **dict.fromkeys(("email", "form", "help_centre"), 9 * 3600),
    "in_person": 600,
}


def micros(at: datetime) -> int:
    return int(at.timestamp()) * MICROS


def london(text: str) -> int:
    return micros(datetime.fromisoformat(text).replace(tzinfo=LONDON))


def span(hours: tuple[tuple[int, int], tuple[int, int]], day: date) -> tuple[int, int]:
    """From when until when (micros) a day is staffed; nothing for one that is not."""
    first, last = (0, 0) if day in HOLIDAYS or day.weekday() == 6 else hours[day.weekday() == 5]
    midnight = datetime(day.year, day.month, day.day, tzinfo=LONDON)
    return micros(midnight.replace(hour=first)), micros(midnight.replace(hour=last))


def staffed(hours: tuple[tuple[int, int], tuple[int, int]]) -> list[tuple[int, int]]:
    days = (date(YEAR - 1, 12, 20) + timedelta(days=number) for number in range(400))
    return [each for day in days if (each := span(hours, day))[0] < each[1]]


def finder(spans: list[tuple[int, int]]) -> Callable[[int], tuple[int, int]]:
    """Returns the first span that ends after an instant. For instants in rising order."""
    place = 0

    def find(at: int) -> tuple[int, int]:
        nonlocal place
        while spans[place][1] <= at:
            place += 1
        return spans[place]

    return find


@pytest.mark.parametrize("locale", LOCALES)
def test_every_promise_of_a_year_lies_in_staffed_time(locale: str) -> None:
    """On the hour for two locales, half past it for the others."""
    rules = load()
    begins = datetime(YEAR, 1, 1, tzinfo=UTC) + timedelta(minutes=30 * (LOCALES.index(locale) % 2))
    hours = [micros(begins + timedelta(hours=hour)) for hour in range(365 * 24)]
    for channel, priority in product(CHANNELS, ("normal", "urgent")):
        policy = rules.policies.match(channel, priority, (), "", "support", locale)
        target = TARGETS[channel] if priority == "normal" else 60
        open_next, promised_within = (finder(staffed(HOURS[channel])) for _ in range(2))
        for at in hours:
            promised_at = policy.promised_at(at)
            assert promised_at is not None and promised_at >= max(at, open_next(at)[0]) + target * MICROS
            opens, closes = promised_within(promised_at)
            assert opens <= promised_at < closes, (channel, datetime.fromtimestamp(at / MICROS, LONDON))


@pytest.mark.parametrize("locale", LOCALES)
def test_the_words_of_a_promise_name_its_own_minute(locale: str) -> None:
    policy = load().policies.match("chat", "normal", (), "", "support", locale)
    pattern = {"en": "%H:%M on %A {0} %B", "ja": "{1}月{0}日", "zh-Hans": "{1}月{0}日", "zh-Hant": "{1}月{0}日"}[locale]
    begins = datetime(YEAR, 1, 1, tzinfo=UTC)
    for hour in range(0, 365 * 24, 3):
        promised_at = policy.promised_at(micros(begins + timedelta(hours=hour)))
        assert promised_at is not None
        moment = datetime.fromtimestamp(promised_at / MICROS, LONDON)
        full = promised_time(promised_at, "", LONDON, locale).full
        assert full.startswith(moment.strftime(pattern.format(moment.day, moment.month)))
        assert f"{moment:%H:%M}" in full
        summer = {"en": "British Summer Time", "ja": "英国夏時間", "zh-Hans": "英国夏令时间", "zh-Hant": "英國夏令時間"}
        assert (summer[locale] in full) is bool(moment.dst())


def test_a_promise_by_hand() -> None:
    cases = {
        ("email", "2026-11-23T10:00"): "2026-11-24T12:00",  # 9 hours and 2 of margin: 8 on Monday, 3 on Tuesday
        ("email", "2026-11-20T17:00"): "2026-11-24T10:00",  # over a weekend: 1 on Friday, 9 on Monday, 1 on Tuesday
        ("email", "2026-11-21T09:00"): "2026-11-24T11:00",  # Saturday is as if it had come when the office opens
        (
            "email",
            "2026-11-23T16:00",
        ): "2026-11-25T09:00",  # to the minute when the office closes: said of the next opening
        ("email", "2026-12-24T17:00"): "2026-12-30T10:00",  # Christmas, and Boxing Day on Monday
        ("email", "2026-12-31T17:00"): "2027-01-05T10:00",  # over a year's end
        ("sms", "2026-12-25T11:15"): "2026-12-29T10:15",
        ("social", "2026-11-23T17:30"): "2026-11-24T09:45",
        ("chat", "2026-11-21T23:45"): "2026-11-23T08:03",  # nobody chats on Sunday
        ("chat", "2026-11-21T15:57"): "2026-11-23T08:00",  # three minutes before they go home
        ("chat", "2026-11-21T15:56"): "2026-11-21T15:59",
        ("phone", "2026-03-28T23:59"): "2026-03-30T08:03",  # the clocks go forward in between
        ("voicemail", "2026-10-24T15:30"): "2026-10-26T08:45",  # and back
        ("in_person", "2026-11-23T19:50"): "2026-11-24T08:05",
    }
    policies = load().policies
    for (channel, received), promised_at in cases.items():
        policy = policies.match(channel, "normal", (), "", "support", "en")
        assert policy.promised_at(london(received)) == london(promised_at), (channel, received)


def test_a_promise_is_not_sooner_than_the_queue_allows() -> None:
    policy = load().policies.match("email", "normal", (), "", "support", "en")
    monday = london("2026-11-23T10:00")
    by_queue = {hours: policy.promised_at(monday, hours * 3600) for hours in (0, 8, 9, 10, 20)}
    assert by_queue[0] == by_queue[8] == by_queue[9] == london("2026-11-24T12:00")
    assert by_queue[10] == london("2026-11-24T13:00")  # an hour longer than the target, and the margin
    assert by_queue[20] == london("2026-11-25T14:00")  # 22 hours: 8, 9 and 5
    assert policy.promised_at(monday, 1e12) == policy.promised_at(monday, 30 * 86400)  # nobody looks further ahead


CALENDARS = """
calendars:
  - {name: always, time_zone: UTC, hours: always}
  - {name: nights, time_zone: America/New_York, hours: {mon-sun: "22:00-06:00"}}
  - {name: rare, time_zone: Australia/Lord_Howe, hours: {tue: "01:00-03:00"}, holidays: {country: AU}}
  - {name: tokyo, time_zone: Asia/Tokyo, hours: {mon-fri: ["09:00-12:00", "13:00-17:30"]}, holidays: {country: JP}}
  - {name: closing, time_zone: Europe/Dublin, hours: {mon-fri: "00:30-02:00"}}
  - {name: closing, time_zone: Europe/Dublin, from: 2026-03-20, to: 2026-04-20, hours: {sun: "00:30-02:30"}}
"""


@pytest.fixture(scope="module")
def calendars(tmp_path_factory: pytest.TempPathFactory) -> Calendars:
    path: Path = tmp_path_factory.mktemp("calendars") / "calendars.yaml"
    path.write_text(CALENDARS)
    return Calendars.load(path)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_promise_of_any_calendar_lies_in_its_time(calendars: Calendars, data: st.DataObject) -> None:
    calendar: Calendar = calendars[data.draw(st.sampled_from(sorted(calendars.calendars)))]
    received = data.draw(st.integers(london("2026-01-01T00:00"), london("2027-02-01T00:00")))
    target, margin = data.draw(st.integers(1, 40 * 3600)), data.draw(st.integers(0, 7200))
    policy = Policy("p", "v", {"first_response": float(target)}, float(margin), calendar=calendar)
    queue = data.draw(st.integers(0, 80 * 3600))
    promised_at = policy.promised_at(received, queue)
    assert promised_at is not None and promised_at > received
    assert calendar.is_open(promised_at)
    assert calendar.is_open(-(-promised_at // (60 * MICROS)) * 60 * MICROS), "as it is written, in whole minutes"
    assert calendar.business_micros(received, promised_at) >= (max(target, queue) + margin) * MICROS
    assert promised_at >= calendar.opens_at(received) + target * MICROS


def test_all_that_ships_promises_in_working_time() -> None:
    policies = load().policies.policies
    assert [policy.name for policy in policies if policy.calendar is None] == []
    assert [policy.name for policy in policies if not policy.margin_seconds] == []
