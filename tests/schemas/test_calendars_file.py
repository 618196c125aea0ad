"""`calendars.yaml`: what it may say, and the line that is named when it says something else."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from schemas.calendars_file import Calendars
from schemas.clock import MICROS
from schemas.errors import ConfigurationError


def load(path: Path, text: str) -> Calendars:
    file = path / "calendars.yaml"
    file.write_text(text, "utf-8")
    return Calendars.load(file)


def open_at(calendars: Calendars, name: str, text: str) -> bool:
    zone = ZoneInfo(calendars[name].zone.key)
    return calendars[name].is_open(int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * MICROS)


OFFICE = """
calendars:
  - name: office
    time_zone: Asia/Tokyo
    hours: {mon-fri: ["09:00-12:00", "13:00-18:00"], sat: "10:00-14:00"}
    holidays: {country: JP, dates: [2026-12-29], open: [2026-11-23]}
"""


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-24T09:00", True),
        ("2026-11-24T12:30", False),
        ("2026-11-21T13:59", True),  # a Saturday
        ("2026-11-22T11:00", False),  # a Sunday
        ("2026-11-03T11:00", False),  # Culture Day
        ("2026-11-23T11:00", True),  # Labour Thanksgiving Day, but they say they are open
        ("2026-12-29T11:00", False),  # their own holiday
    ],
)
def test_hours_and_holidays_of_a_country_with_own_days(tmp_path: Path, moment: str, is_open: bool) -> None:
    assert open_at(load(tmp_path, OFFICE), "office", moment) is is_open


def test_two_entries_of_one_name_are_eras_and_always_is_every_second(tmp_path: Path) -> None:
    calendars = load(
        tmp_path,
        """
calendars:
  - {name: phone, time_zone: UTC, hours: {mon-sun: "08:00-20:00"}}
  - {name: phone, time_zone: UTC, from: 2026-07-01, hours: always}
""",
    )
    assert not open_at(calendars, "phone", "2026-06-30T23:59")
    assert open_at(calendars, "phone", "2026-07-01T00:00")


def test_a_range_of_days_may_go_over_the_weekend(tmp_path: Path) -> None:
    calendars = load(tmp_path, 'calendars: [{name: bar, time_zone: UTC, hours: {fri-mon: "20:00-02:00"}}]')
    assert open_at(calendars, "bar", "2026-11-24T01:00")  # Tuesday, still Monday's
    assert not open_at(calendars, "bar", "2026-11-25T01:00")


def test_days_of_an_icalendar_file_are_holidays_and_its_end_is_not_one(tmp_path: Path) -> None:
    (tmp_path / "closed.ics").write_text(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Stocktaking\r\n"
        "DTSTART;VALUE=DATE:20261118\r\nDTEND;VALUE=DATE:20261120\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    calendars = load(tmp_path, "calendars: [{name: shop, time_zone: UTC, hours: always, holidays: {ical: closed.ics}}]")
    days = [open_at(calendars, "shop", f"2026-11-{day}T12:00") for day in (17, 18, 19, 20)]
    assert days == [True, False, False, True]


ONE = "calendars:\n  - name: x\n    time_zone: UTC\n"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("hello", 1, "holds no calendars"),
        ("calendars:\n  - time_zone: UTC\n", 2, "a calendar needs a name"),
        ("calendars:\n  - name: x\n    time_zone: Mars/Olympus\n", 3, "'Mars/Olympus' is not a time zone"),
        (ONE, 2, "has no hours"),
        (ONE + "    hours: {}\n", 4, "has no hours"),
        (ONE + '    hours: {someday: "09:00-10:00"}\n', 4, "'someday' is not a day"),
        (ONE + '    hours: {mon: "9-5"}\n', 4, "'9-5' is not a span"),
        (ONE + '    hours: {mon: "09:00-09:00"}\n', 4, "'09:00-09:00' is not a span"),
        (ONE + '    hours: {mon: ["09:00-12:00", "11:00-13:00"]}\n', 4, "two spans overlap"),
        (ONE + '    hours: {mon-fri: "09:00-12:00", wed: "09:00-10:00"}\n', 4, "wed is given twice"),
        (ONE + "    hours: always\n    holidays: {country: XX}\n", 5, "no holidays are known for 'XX'"),
        (
            ONE + "    hours: always\n    holidays: {country: GB, subdivision: ZZ}\n",
            5,
            "no holidays are known for 'ZZ'",
        ),
        (ONE + "    hours: always\n    holidays: {dates: [tomorrow]}\n", 5, "'tomorrow' is not a day"),
        (ONE + "    hours: always\n    holidays: {ical: nowhere.ics}\n", 5, "nowhere.ics cannot be read"),
        (ONE + "    hours: always\n    from: soon\n", 5, "'soon' is not a day"),
        (ONE + "    hours: always\n    colour: red\n", 5, "'colour' is not known here"),
        (ONE + "    hours: always\n    to: never\n", 5, "'never' is not a day"),
        (
            ONE + "    hours: always\n    from: 2027-07-02\n    to: 2027-07-01\n",
            6,
            "ends on 2027-07-01, before it begins",
        ),
        (ONE + "    hours: always\n" + ONE.partition("\n")[2] + "    hours: always\n", 5, "'x' is there already"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, line: int, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text)
    assert f"calendars.yaml:{line}" in str(caught.value)
    assert problem in str(caught.value)


def eras(*days: str) -> str:
    """A calendar with an entry for each `FROM..TO`, one a line, the first on line 2."""
    entries = []
    for each in days:
        first, _, last = each.partition("..")
        told = "".join(f", {key}: {day}" for key, day in (("from", first), ("to", last)) if day)
        entries.append(f"  - {{name: x, time_zone: UTC, hours: always{told}}}")
    return "\n".join(("calendars:", *entries)) + "\n"


@pytest.mark.parametrize(
    "days",
    [
        ("2027-07-01..2027-08-31",),
        ("..", "2027-07-01..2027-07-01"),
        ("..", "2027-07-01..2027-08-31", "2027-09-01..2027-09-30"),
        ("..", "2027-07-01..2027-08-31", "2027-08-01..2027-08-31"),
        ("..", "2027-07-01..2027-07-31", "2027-07-01..2027-08-31"),
        ("..", "2027-07-10..2027-07-20", "2027-07-01..2027-08-31"),
        ("..", "..2027-06-30", "2027-07-01..2027-07-31"),
        ("2027-07-01..2027-08-31", "2027-07-01..", "2027-08-01.."),
    ],
    ids=" ".join,
)
def test_hours_with_an_end_may_lie_beside_or_within_each_other(tmp_path: Path, days: tuple[str, ...]) -> None:
    assert len(load(tmp_path, eras(*days))["x"].eras) == len(days)


@pytest.mark.parametrize(
    ("days", "line", "problem"),
    [
        (
            ("..", "2027-07-01..2027-08-31", "2027-08-31..2027-09-30"),
            4,
            "'x' has other hours on some of these days, 2027-07-01 to 2027-08-31 (line 3)",
        ),
        (
            ("..", "2027-08-31..2027-09-30", "2027-07-01..2027-08-31"),
            4,
            "'x' has other hours on some of these days, 2027-08-31 to 2027-09-30 (line 3)",
        ),
        (
            ("2027-07-01..2027-08-31", "2027-07-01..2027-08-31"),
            3,
            "'x' has other hours on some of these days, 2027-07-01 to 2027-08-31 (line 2)",
        ),
        (
            ("..2027-07-01", "2027-06-30..2027-08-31"),
            3,
            "'x' has other hours on some of these days, until 2027-07-01 (line 2)",
        ),
        (("2027-07-01..", "2027-07-01..2027-08-31", ".."), 4, "'x' is there already from 2027-07-01 on (line 2)"),
        (("..", "2027-07-01..", "2027-07-01.."), 4, "'x' is there already from 2027-07-01 on (line 3)"),
    ],
)
def test_eras_that_contradict_each_other_are_refused_with_both_lines(
    tmp_path: Path, days: tuple[str, ...], line: int, problem: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, eras(*days))
    assert f"calendars.yaml:{line}: " in str(caught.value)
    assert problem in str(caught.value)


def test_other_hours_are_another_version(tmp_path: Path) -> None:
    versions = {
        load(tmp_path, eras("..", each)).version for each in ("2027-07-01..2027-08-30", "2027-07-01..2027-08-31")
    }
    assert len(versions) == 2
