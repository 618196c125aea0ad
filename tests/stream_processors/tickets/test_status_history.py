"""Status changes by hand: what lies between two instants, who is charged with it, and what is kept of a long life.

The office is open Monday to Friday, 09:00 to 18:00 UTC. Times are hours after Monday 2026-11-16, 00:00 UTC.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.calendars import Calendar
from schemas.calendars_file import Calendars
from schemas.clock import MICROS
from stream_processors.tickets.sla import status_history
from stream_processors.tickets.sla.status_history import (
    Time,
    added,
    began,
    charged,
    elapsed,
    record_status,
    shorten,
    time_in_status,
)
from stream_processors.tickets.state import (
    Clock,
    ClockCharges,
    ClockShare,
    ClockTerms,
    StatusChange,
    Ticket,
    TicketSla,
    TimeInStatus,
)

HOUR = 3600 * MICROS
MONDAY = 1_794_787_200 * MICROS
OFFICE = """
calendars:
  - {name: office, time_zone: UTC, hours: {mon-fri: "09:00-18:00"}}
"""


def hour(after: float) -> int:
    return MONDAY + round(after * HOUR)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Calendar:
    file: Path = tmp_path_factory.mktemp("office") / "calendars.yaml"
    file.write_text(OFFICE)
    return Calendars.load(file)["office"]


def ticket(*status_history: StatusChange, **fields: Any) -> Ticket:
    sla = TicketSla(status_history=status_history, time_in_status=fields.pop("time_in_status", ()))
    return Ticket(1, "email", hour(8), status="open", team="billing", assignee="ann", sla=sla, **fields)


def clock(name: str, started: float, **fields: Any) -> Clock:
    charges = {each: fields.pop(each) for each in ClockCharges.__struct_fields__ if each in fields}
    terms = ClockTerms(3600.0, "mail", "1")
    return Clock(name, 1, hour(started), hour(started + 1), terms, charges=ClockCharges(**charges), **fields)


NEW = StatusChange(hour(8), "new", "billing")
ANNS = StatusChange(hour(10), "open", "billing", "ann")
PENDING = StatusChange(hour(12), "pending", "billing", "ann")
BOBS = StatusChange(hour(15), "open", "returns", "bob")
LIFE = (NEW, ANNS, PENDING, BOBS)


# -- between two instants ---------------------------------------------------------------------------------------------


def test_time_is_counted_by_the_wall_and_by_the_calendar(office: Calendar) -> None:
    assert Time.between(hour(8), hour(10.5), office) == (2.5 * HOUR, 1.5 * HOUR)  # the office opens at 9


def test_without_a_calendar_there_is_no_working_time() -> None:
    assert Time.between(hour(8), hour(10), None) == (2 * HOUR, 0)


@pytest.mark.parametrize("until", [10, 9.5, -100])
def test_nothing_lies_between_an_instant_and_one_that_is_not_later(office: Calendar, until: float) -> None:
    assert Time.between(hour(10), hour(until), office) == (0, 0)


# -- status changes ---------------------------------------------------------------------------------------------------------


def test_a_life_told_from_its_opening_on_has_its_beginning() -> None:
    assert began(ticket(NEW))
    assert began(ticket(StatusChange(hour(7), "new", "billing")))


def test_a_life_first_noted_after_its_opening_has_not() -> None:
    assert not began(ticket(ANNS))


def test_a_life_without_a_status_history_has_not() -> None:
    assert not began(ticket())


def test_a_life_whose_beginning_is_summed_up_has_it() -> None:
    assert began(ticket(ANNS, time_in_status=(TimeInStatus("new", HOUR),)))


def test_who_stands_as_before_is_the_same_ticket() -> None:
    ticket_now = ticket(NEW, ANNS)
    assert record_status(ticket_now, hour(11), "billing") is ticket_now


def test_the_first_change_is_how_it_stands() -> None:
    assert record_status(ticket(), hour(9), "billing").sla.status_history == (
        StatusChange(hour(9), "open", "billing", "ann"),
    )


def test_another_state_team_or_agent_is_another_change() -> None:
    ticket_now = ticket(NEW, ANNS)
    later = hour(11)
    for other, team in [
        (msgspec.structs.replace(ticket_now, status="hold"), "billing"),
        (ticket_now, "returns"),
        (msgspec.structs.replace(ticket_now, assignee="bob"), "billing"),
    ]:
        assert record_status(other, later, team).sla.status_history == (
            NEW,
            ANNS,
            StatusChange(later, other.status, team, other.assignee),
        )


def test_of_two_changes_at_one_instant_the_second_counts() -> None:
    twice = record_status(ticket(NEW, ANNS), hour(10), "returns")
    assert twice.sla.status_history == (NEW, StatusChange(hour(10), "open", "returns", "ann"))


def test_a_change_is_never_before_the_last() -> None:
    late = record_status(ticket(NEW, ANNS), hour(9), "returns")
    assert late.sla.status_history == (NEW, StatusChange(hour(10), "open", "returns", "ann"))


# -- clocks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "micros", "business"),
    [
        ("agent_work", 5 * HOUR, 4 * HOUR),  # new 8-10, open 10-12, open 15-16; the office opens at 9
        ("requester_wait", 5 * HOUR, 4 * HOUR),
        ("first_response", 8 * HOUR, 7 * HOUR),  # in every state
    ],
)
def test_a_clock_runs_in_its_own_states_only(office: Calendar, name: str, micros: int, business: int) -> None:
    assert elapsed(clock(name, 8), LIFE, hour(16), office) == (micros, business)


def test_on_hold_the_customer_waits_and_nobody_works(office: Calendar) -> None:
    life = NEW, StatusChange(hour(9), "hold", "billing", "ann")
    assert elapsed(clock("requester_wait", 8), life, hour(12), office) == (4 * HOUR, 3 * HOUR)
    assert elapsed(clock("agent_work", 8), life, hour(12), office) == (HOUR, 0)


def test_what_is_forgotten_of_a_clock_is_in_its_sum(office: Calendar) -> None:
    summed = clock("agent_work", 8, counted_from=hour(11), spent=3 * HOUR, spent_business=2 * HOUR)
    assert elapsed(summed, LIFE, hour(16), office) == (5 * HOUR, 4 * HOUR)


def test_who_held_the_ticket_is_charged_and_once_each(office: Calendar) -> None:
    life = *LIFE, StatusChange(hour(16), "open", "billing", "ann")
    assert charged(clock("agent_work", 8), life, hour(18), office) == (
        ClockShare("billing", "", 2 * HOUR, HOUR),
        ClockShare("billing", "ann", 4 * HOUR, 4 * HOUR),  # 10-12 and 16-18
        ClockShare("returns", "bob", HOUR, HOUR),
    )


def test_who_held_the_ticket_for_no_time_is_not_charged(office: Calendar) -> None:
    assert charged(clock("first_response", 8), (NEW, ANNS), hour(10), office) == (
        ClockShare("billing", "", 2 * HOUR, HOUR),
    )


def test_time_before_the_first_change_is_charged_to_it() -> None:
    assert charged(clock("first_response", 7), (NEW,), hour(10), None) == (ClockShare("billing", "", 3 * HOUR),)


def test_nothing_is_charged_twice_for_what_is_counted_already() -> None:
    counted = clock("first_response", 8, counted_from=hour(11))
    assert charged(counted, LIFE, hour(12), None) == (ClockShare("billing", "ann", HOUR),)


def test_shares_are_added_by_holder() -> None:
    assert added(
        [ClockShare("billing", "ann", 1, 2), ClockShare("returns", "ann", 3, 4)], [ClockShare("billing", "ann", 10, 20)]
    ) == (
        ClockShare("billing", "ann", 11, 22),
        ClockShare("returns", "ann", 3, 4),
    )


# -- the ticket -------------------------------------------------------------------------------------------------------


def test_each_state_has_its_time_and_what_of_it_was_in_nobodys_hands(office: Calendar) -> None:
    assert time_in_status(ticket(*LIFE), hour(16), office) == {
        "new": TimeInStatus("new", 2 * HOUR, HOUR, 2 * HOUR, HOUR),
        "open": TimeInStatus("open", 3 * HOUR, 3 * HOUR),
        "pending": TimeInStatus("pending", 3 * HOUR, 3 * HOUR),
    }


def test_the_time_of_a_state_that_it_comes_back_to_is_one_sum(office: Calendar) -> None:
    life = NEW, ANNS, StatusChange(hour(11), "new", "returns")
    assert time_in_status(ticket(*life), hour(12), office)["new"] == TimeInStatus(
        "new", 3 * HOUR, 2 * HOUR, 3 * HOUR, 2 * HOUR
    )


def test_what_was_summed_up_is_in_the_time_of_its_state() -> None:
    known = TimeInStatus("open", HOUR, 0, 5, 0)
    assert time_in_status(ticket(ANNS, time_in_status=(known,)), hour(11), None) == {
        "open": TimeInStatus("open", 2 * HOUR, 0, 5, 0)
    }


def test_without_a_history_only_sums_are_known() -> None:
    assert time_in_status(ticket(time_in_status=(TimeInStatus("new", HOUR),)), hour(11), None) == {
        "new": TimeInStatus("new", HOUR)
    }
    assert time_in_status(ticket(), hour(11), None) == {}


# -- what is kept of a long life --------------------------------------------------------------------------------------


def long_life(status_history: int) -> tuple[StatusChange, ...]:
    """An hour each, in turn nobody's and new, ann's and open."""
    return tuple(
        StatusChange(hour(8 + place), *(("open", "billing", "ann") if place % 2 else ("new", "billing")))
        for place in range(status_history)
    )


def test_a_life_of_48_changes_is_kept_whole(office: Calendar) -> None:
    assert status_history.KEPT_STATUS_CHANGES == 48
    whole = ticket(*long_life(48), clocks=(clock("agent_work", 8),))
    assert shorten(whole, office, lambda _: office) is whole


def test_of_a_longer_life_24_changes_are_kept_and_the_rest_summed_up(office: Calendar) -> None:
    whole = ticket(*long_life(49), clocks=(clock("first_response", 8),))
    short = shorten(whole, office, lambda _: office)
    assert short.sla.status_history == long_life(49)[25:]
    # 25 hours, 08:00 on Monday to 09:00 on Tuesday, beginning and ending with `new`; in the office 9 to 18:
    # ann has the odd ones, 09-10, 11-12, ... 17-18 = 5; nobody 10-11, ... 16-17 = 4.
    assert short.sla.time_in_status == (
        TimeInStatus("new", 13 * HOUR, 4 * HOUR, 13 * HOUR, 4 * HOUR),
        TimeInStatus("open", 12 * HOUR, 5 * HOUR),
    )
    (counted,) = short.clocks
    assert counted == clock(
        "first_response",
        8,
        counted_from=hour(33),
        carried=(ClockShare("billing", "", 13 * HOUR, 4 * HOUR), ClockShare("billing", "ann", 12 * HOUR, 5 * HOUR)),
        spent=25 * HOUR,
        spent_business=9 * HOUR,
    )


def test_a_life_made_shorter_comes_to_the_same(office: Calendar) -> None:
    running = clock("agent_work", 8), clock("requester_wait", 20), clock("first_response", 40)
    whole = ticket(*long_life(60), clocks=running)
    short = shorten(whole, office, lambda _: office)
    until = hour(8 + 61)
    assert time_in_status(short, until, office) == time_in_status(whole, until, office)
    for before, after in zip(whole.clocks, short.clocks, strict=True):
        shares = charged(before, whole.sla.status_history, until, office)
        assert set(added(after.charges.carried, charged(after, short.sla.status_history, until, office))) == set(shares)
        if before.name in status_history.STATES:
            assert elapsed(after, short.sla.status_history, until, office) == elapsed(
                before, whole.sla.status_history, until, office
            )


def test_a_clock_that_stopped_or_began_later_is_left_alone(office: Calendar) -> None:
    clocks = (
        clock("agent_work", 8, stopped_at=hour(9)),
        clock("first_response", 33),  # at the cut itself
        clock("next_response", 40),
        clock("requester_wait", 8, counted_from=hour(33)),
    )
    assert shorten(ticket(*long_life(49), clocks=clocks), office, lambda _: office).clocks == clocks
