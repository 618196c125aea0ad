"""How many people a team needs: against a simulation, against what no plan can beat, and by hand."""

from __future__ import annotations

import heapq
import random
from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ConfigurationError
from sinks.staffing import cli
from sinks.staffing.backlog import spread
from sinks.staffing.erlang import Load, Service, people_needed, service
from sinks.staffing.picture import svg
from sinks.staffing.plan import HOURS, Demand, Opening, Targets, week

MONDAY = datetime(2026, 3, 2, tzinfo=ZoneInfo("UTC"))
LOADS = st.builds(Load, st.floats(0.5, 2000), st.floats(5, 1800), st.none() | st.floats(5, 1800))


def simulated(load: Load, people: int, target_seconds: float, customers: int = 100_000) -> Service:
    """Plays customers who arrive, wait, give up and are answered, one after the other."""
    chance, now, in_target, gave_up, busy = random.Random(7), 0.0, 0, 0, 0.0
    free_at = [0.0] * people
    for _ in range(customers):
        now += chance.expovariate(load.per_hour / 3600)
        gives_up = chance.expovariate(1 / load.gives_up_seconds) if load.gives_up_seconds else float("inf")
        begins = max(now, free_at[0])
        if begins - now > gives_up:
            gave_up += 1
            continue
        seconds = chance.expovariate(1 / load.handle_seconds)
        heapq.heapreplace(free_at, begins + seconds)
        busy += seconds
        in_target += begins - now <= target_seconds
    return Service(in_target / customers, gave_up / customers, busy / (people * now))


@pytest.mark.parametrize(
    ("load", "people", "target_seconds"),
    [
        (Load(60, 300, 120), 5, 20),
        (Load(60, 300, 120), 3, 20),
        (Load(60, 300, None), 8, 60),
        (Load(1000, 240, 60), 60, 30),
        (Load(2000, 300, 90), 120, 20),
        (Load(3, 600, 100), 1, 60),
    ],
)
def test_customers_fare_as_in_a_simulation(load: Load, people: int, target_seconds: float) -> None:
    assert service(load, people, target_seconds) == pytest.approx(simulated(load, people, target_seconds), abs=0.02)


def test_without_patience_it_is_erlang_c() -> None:
    """Two people, one conversation offered: 1/3 have to wait, 1/3 * exp(-1) longer than one handle time."""
    found = service(Load(60, 60, None), 2, 60)
    assert found == pytest.approx((1 - 0.3678794 / 3, 0, 0.5), abs=1e-6)
    assert service(Load(60, 60, None), 1, 60) == (0, 0, 1)


@given(LOADS, st.integers(0, 900), st.floats(0.5, 0.99))
def test_the_people_needed_are_the_fewest_that_serve_in_time(load: Load, target_seconds: int, share: float) -> None:
    people = people_needed(load, target_seconds, share)
    assert service(load, people, target_seconds).in_target >= share
    assert people == 1 or service(load, people - 1, target_seconds).in_target < share


@given(LOADS, st.integers(0, 5_000), st.integers(0, 3600))
def test_shares_are_shares_for_any_load(load: Load, people: int, target_seconds: int) -> None:
    found = service(load, people, target_seconds)
    assert all(0 <= each <= 1 for each in found)
    assert found.in_target + found.gives_up <= 1 + 1e-9


@given(st.lists(st.just(0.0) | st.floats(0.01, 50), min_size=1, max_size=12), st.integers(1, 30))
def test_a_spread_is_in_time_and_has_the_lowest_peak(work: list[float], target: int) -> None:
    done, hours = spread(work, target), len(work)
    assert sum(done) == pytest.approx(sum(work))
    assert min(done) >= -1e-9
    assert _late(work, done, target) < 1e-4
    week_after_week, least = work * (8 + target // hours), sum(work) / hours
    for first in range(hours):
        for last in range(first + target - 1, first + target + 4 * hours):
            least = max(least, sum(week_after_week[first : last - target + 2]) / (last - first + 1))
    assert max(done) <= least + 1e-6  # any plan has to do that much in the hours between


def _late(work: list[float], done: list[float], target: int) -> float:
    """Returns the most work that is still there after its target, first come first served."""
    queue: list[list[float]] = []
    late, hours = 0.0, len(work)
    for hour in range(hours * (6 + 2 * (target // hours))):
        queue.append([hour, work[hour % hours]])
        left = done[hour % hours] + 1e-7
        while queue and left > 0:
            taken = min(left, queue[0][1])
            queue[0][1] -= taken
            left -= taken
            if queue[0][1] > 1e-7:
                break
            queue.pop(0)
        if hour >= hours * (3 + target // hours):
            late = max([late, *(amount for came, amount in queue if hour - came + 1 >= target)])
    return late


# -- the week -------------------------------------------------------------------------------------------------------------


def demand(hours: float, channel: str = "email", **fields: Any) -> Demand:
    values: dict[str, Any] = dict.fromkeys(Demand._fields[4:], 0.0)
    values |= {"team": "support", "live": channel in ("chat", "phone")}
    return Demand(hour=MONDAY + timedelta(hours=hours), channel=channel, **(values | fields))


def test_written_work_waits_for_the_office_and_is_spread_over_it() -> None:
    """20 mails on Saturday of 9 minutes each: 3 hours of work, to be done by Monday 12:00, so one person from 9 to 12."""
    rows = [demand(5 * 24 + 3, contacts=20), demand(10, handled=10, handle_seconds_sum=20 * 540)]
    needs, missing = week(rows, ZoneInfo("UTC"), Targets(reply_hours=3, productive=1), Opening())
    assert {need.hour: need.written for need in needs if need.people} == pytest.approx({9: 1, 10: 1, 11: 1})
    assert missing == ["only 114 of the 168 hours of a week were seen; nobody is planned for the others"]
    assert len(needs) == HOURS


def test_calls_need_people_while_they_ring() -> None:
    """120 calls of 2 weeks at 10:00 are 60 an hour; 300 s each, and 120 s of patience, need 7 to answer 80 % within 20 s."""
    came = {
        "contacts": 120.0,
        "abandoned": 10.0,
        "wait_seconds_sum": 1200.0,
        "handled": 100.0,
        "handle_seconds_sum": 30_000.0,
    }
    needs, _ = week(
        [demand(10, "phone", **came), demand(10 + 168)], ZoneInfo("UTC"), Targets(20, productive=0.85), Opening()
    )
    [need] = [need for need in needs if need.people]
    assert (need.hour, need.live, need.people) == (10, 7, 9)
    assert need.in_target is not None
    assert need.in_target >= 0.8


def test_a_person_has_several_chats_at_once() -> None:
    came = {
        "contacts": 60.0,
        "abandoned": 10.0,
        "wait_seconds_sum": 1200.0,
        "handled": 50.0,
        "handle_seconds_sum": 15_000.0,
    }
    needs, _ = week([demand(0, "chat", **came)], ZoneInfo("UTC"), Targets(20, productive=1), Opening())
    assert needs[0].people == 3  # seven conversations at once


def test_hours_are_those_of_the_zone() -> None:
    rows = [demand(0, "phone", contacts=1, handled=1, handle_seconds_sum=60)]
    needs, _ = week(rows, ZoneInfo("Asia/Tokyo"), Targets(), Opening())
    assert [need.hour for need in needs if need.people] == [9]


def test_a_channel_whose_handle_time_is_unknown_is_named() -> None:
    needs, missing = week([demand(0, "phone", contacts=5)], ZoneInfo("UTC"), Targets(), Opening())
    assert not any(need.people for need in needs)
    assert missing[1:] == ["support, phone: nobody's handle time is known, so its 5 contacts are left out"]


def test_a_picture_names_the_people_of_each_hour() -> None:
    rows = [demand(0, "phone", team="a <b> & c", contacts=1, handled=1, handle_seconds_sum=60)]
    needs, _ = week(rows, ZoneInfo("UTC"), Targets(), Opening())
    drawn = ElementTree.fromstring(svg(needs, "People needed"))
    titles = [each.text for each in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert titles == ["a <b> & c, Mon 0:00: 2 people (1 for calls and chats, 0.0 in writing, the rest for absences)"]


@pytest.mark.parametrize(
    ("text", "hours"),
    [("Mon-Fri 9-18", 45), ("9-18", 63), ("sat 10:00-12:00", 2), ("Sat-Mon 0-24", 72)],
)
def test_working_hours_are_read(text: str, hours: int) -> None:
    opening = cli._opening(text)
    assert sum(opening.holds(hour) for hour in range(HOURS)) == hours


@pytest.mark.parametrize("text", ["", "Mon", "Moo 9-18", "Mon-Fri 18-9", "9-25", "9-18 Mon", "Mon-Fri 9:30-18"])
def test_what_names_no_working_hours_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="names no working hours"):
        cli._opening(text)
