"""Clocks that count working time. The story's second 0 is told in each case; the office is open 09:00 to 18:00."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from schemas.calendars_file import Calendars
from schemas.clock import MICROS
from schemas.facts import ClockFact, TicketClocks, TicketFact
from stream_processors.rules import ruleset as rules_module
from stream_processors.rules.policies import Policies
from stream_processors.rules.ruleset import Rules
from tests.support.tickets.story import Story, at

CALENDARS = """
calendars:
  - {name: office, time_zone: Europe/London, hours: {mon-fri: "09:00-18:00"}, holidays: {dates: [2026-12-25]}}
"""
POLICIES = """
time_zone: Europe/London
reopen: {window: 7d, thanks: [thanks]}
policies:
  - {name: mail, calendar: office, targets: {first_response: 4h, next_response: 2h, full_resolution: 9h}}
"""


@pytest.fixture(scope="module")
def business(rules: Rules, tmp_path_factory: pytest.TempPathFactory) -> Rules:
    folder: Path = tmp_path_factory.mktemp("business")
    (folder / "calendars.yaml").write_text(CALENDARS)
    (folder / "policies.yaml").write_text(POLICIES)
    calendars = Calendars.load(folder / "calendars.yaml")
    return replace(rules, calendars=calendars, policies=Policies.load(folder / "policies.yaml", rules.teams, calendars))


class Case(NamedTuple):
    """A message at `written`, an answer at `answered` (None: only the tick that is due). Times are London's."""

    says: str
    written: str
    answered: str | None
    due: str
    breached: bool
    seconds: float
    business_seconds: float


CASES = [
    Case("within a day", "2026-11-18T10:00", "2026-11-18T12:30", "2026-11-18T14:00", False, 9000, 9000),
    # Friday 17:00: 1 h on Friday, 3 h on Monday from 09:00. Answered Monday 11:00 = 66 h later, 1 h + 2 h of work.
    Case("over a weekend", "2026-11-20T17:00", "2026-11-23T11:00", "2026-11-23T12:00", False, 66 * 3600, 3 * 3600),
    # Written on Saturday 08:00: the clock stands still until Monday 09:00, 49 h; answered at 10:00.
    Case("written on a Saturday", "2026-11-21T08:00", "2026-11-23T10:00", "2026-11-23T13:00", False, 50 * 3600, 3600),
    # Answered on Sunday before anybody had to work: 0 business seconds, and met.
    Case("answered on a Sunday", "2026-11-21T08:00", "2026-11-22T08:00", "2026-11-23T13:00", False, 86_400, 0),
    # Christmas 2026 is a Friday: Thursday 16:00 + 2 h, then Monday the 28th 09:00 + 2 h.
    Case("over a holiday", "2026-12-24T16:00", "2026-12-28T10:00", "2026-12-28T11:00", False, 90 * 3600, 3 * 3600),
    # The weekend on which London's clocks go back has 49 h: Friday 17:00 to Monday 10:00 is 65 h + 1 h.
    Case(
        "over the change of clocks", "2026-10-23T17:00", "2026-10-26T10:00", "2026-10-26T12:00", False, 66 * 3600, 7200
    ),
    # Nobody answers: the breach is stamped with the deadline, 4 working hours after Friday 17:00.
    Case("missed over a weekend", "2026-11-20T17:00", None, "2026-11-23T12:00", True, 67 * 3600, 4 * 3600),
]


def london(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/London")).timestamp()) * MICROS


def seconds_of(micros: int) -> float:
    return (micros - at(0)) / MICROS


@pytest.mark.parametrize("case", CASES, ids=[case.says for case in CASES])
def test_first_response_in_working_time(business: Rules, case: Case) -> None:
    story = Story(business)
    story.message(seconds_of(london(case.written)))
    if case.answered:
        story.reply(seconds_of(london(case.answered)))
    else:
        story.tick(seconds_of(london(case.due)))
    rows = [row for row in story.worker.records() if isinstance(row, ClockFact) and row.clock == "first_response"]
    assert rows[0].due_at == london(case.due)
    assert {row.calendar for row in rows} == {"office"}
    assert rows[0].elapsed_seconds is rows[0].elapsed_business_seconds is None
    assert [row.transition for row in rows[1:]] == ["breach" if case.breached else "fulfil"]
    assert (rows[1].elapsed_seconds, rows[1].elapsed_business_seconds) == (case.seconds, case.business_seconds)


def test_without_a_calendar_business_seconds_are_null_and_never_zero(story: Story) -> None:
    story.message(0)
    story.reply(60)
    rows = [row for row in story.worker.records() if isinstance(row, ClockFact)]
    assert rows and all(row.elapsed_business_seconds is None and row.calendar == "" for row in rows)


def test_an_older_message_that_comes_late_moves_the_deadline_in_working_time(business: Rules) -> None:
    story = Story(business)
    monday = seconds_of(london("2026-11-23T10:00"))
    story.message(monday)
    story.reply(monday + 60)
    story.more(seconds_of(london("2026-11-23T17:30")))
    story.more(seconds_of(london("2026-11-23T16:00")))  # written before, arrived after
    rows = [row for row in story.worker.records() if isinstance(row, ClockFact) and row.clock == "next_response"]
    assert [(row.transition, row.due_at) for row in rows] == [
        ("activate", london("2026-11-24T10:30")),  # half an hour on Monday, an hour and a half on Tuesday
        ("correct", london("2026-11-23T18:00")),  # the two hours of Monday, to closing time
    ]


def test_the_rules_that_ship_promise_and_measure_mail_in_office_hours() -> None:
    """A mail of Saturday 09:00 (second 5 d of the story), answered on Monday 10:00.

    9 h and 2 h of margin, from Monday 09:00 on, is Tuesday 11:00. It took 49 h, of which Monday 09:00 to 10:00 is work.
    """
    rules = rules_module.load()
    story = Story(rules)
    story.message(5 * 86_400)
    promised_at = story.last(TicketFact).promised_at
    story.reply(7 * 86_400 + 3600)
    row = story.last(TicketClocks)
    assert promised_at == at(8 * 86_400 + 2 * 3600)
    assert (row.first_response_seconds, row.first_response_business_seconds) == (49 * 3600, 3600)
    assert (row.calendar, row.calendar_version) == ("office", rules.policies.version)
