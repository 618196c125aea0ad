"""Tests when chat is offered: free places of the agents, and business hours."""

from __future__ import annotations

from typing import Any

import pytest

from producers.channels.chat_capacity import ChatCapacity
from producers.channels.chat_hours import Hours
from schemas.errors import ConfigurationError
from schemas.events import (
    Assigned,
    Event,
    PresenceChanged,
    RoutingUpdate,
)
from tests.support.producers.chat_case import T0, at
from tests.support.records import example

# -- capacity of the agents ---------------------------------------------------------------------------------------------


def presence(agent: str, status: str = "online", chats: int | None = 2, team: str = "support") -> PresenceChanged:
    capacity = {} if chats is None else {"chat": chats}
    made: PresenceChanged = example(PresenceChanged, agent_id=agent, team=team, status=status, capacity=capacity)
    return made


def update(ticket: str, action: str, version: int, **changes: Any) -> RoutingUpdate:
    fields = {"team": "support", "channel": "chat", "partition": 0, "occurred_at": at(version)} | changes
    made: RoutingUpdate = example(RoutingUpdate, ticket_id=ticket, action=action, version=version, **fields)
    return made


def desk(*records: Event) -> ChatCapacity:
    made = ChatCapacity()
    for record in records:
        made.observe(record)
    return made


def test_free_capacity_excludes_held_and_waiting_chats() -> None:
    here = desk(presence("mei"), presence("tom", chats=3), presence("sam", "away"), presence("lee", "offline"))
    assert here.free == 5
    here.observe(update("A-1", "queue", 1))
    here.observe(update("B-1", "busy", 2, agent_id="mei"))
    here.observe(update("C-1", "queue", 3, channel="email"))
    assert here.free == 3
    here.observe(update("A-1", "idle", 4))
    here.observe(presence("tom", "offline", None))
    assert here.free == 1
    here.observe(presence("tom", "online", None))
    assert here.free == 4  # what the presence leaves out stays as it was known


def test_a_chat_whose_offer_was_declined_waits_on() -> None:
    here = desk(presence("mei"), update("A-1", "queue", 1), update("A-1", "declined", 2, agent_id="mei"))
    assert (here.free, here.positions()) == (1, {"A-1": 1})


def test_the_default_capacity_counts_where_chat_is_not_named() -> None:
    everything = example(PresenceChanged, agent_id="mei", team="support", status="online", capacity={"default": 4})
    assert desk(everything).free == 4


def test_the_queue_of_a_team_is_sorted_by_priority_then_wait() -> None:
    here = desk(
        update("A-1", "queue", 1, eligible_at=at(10)),
        update("B-1", "queue", 2, eligible_at=at(5)),
        update("C-1", "queue", 3, eligible_at=at(20), priority="urgent"),
        update("D-1", "queue", 4, eligible_at=at(1), team="returns"),
        update("E-1", "busy", 5, agent_id="mei"),
    )
    assert here.positions() == {"C-1": 1, "B-1": 2, "A-1": 3, "D-1": 1}
    here.observe(example(Assigned, ticket_id="C-1", team="support", agent_id="mei"))
    assert here.positions() == {"B-1": 1, "A-1": 2, "D-1": 1}
    here.observe(example(Assigned, ticket_id="C-1", team="support", agent_id=""))
    assert here.positions()["C-1"] == 1


def test_an_update_written_again_changes_nothing() -> None:
    here = desk(presence("mei"), update("A-1", "queue", 5), update("A-1", "done", 6), update("A-1", "queue", 5))
    assert here.free == 2
    assert not here.knows("A-1")


def test_a_chat_that_went_to_another_team_is_counted_there() -> None:
    here = desk(
        presence("mei"),
        update("A-1", "queue", 1, team="returns"),
        update("A-1", "done", 1, team="support", partition=1),
    )
    assert here.free == 1


# -- business hours -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "zone", "open_now"),
    [
        ("", "UTC", True),
        ("mon-fri 09:00-18:00", "UTC", True),
        ("mon-fri 09:01-18:00", "UTC", False),
        ("mon 08:00-09:00", "UTC", False),
        ("sat-mon 09:00-10:00", "UTC", True),
        ("tue 09:00-18:00", "UTC", False),
        ("mon 18:00-24:00", "Asia/Tokyo", True),
        ("mon 09:00-17:59, sat 10:00-14:00", "Asia/Tokyo", False),
    ],
)
def test_business_hours_are_those_of_their_time_zone(hours: str, zone: str, open_now: bool) -> None:
    assert Hours.parse(hours, zone).open_at(T0) is open_now


def test_the_next_opening_is_right_across_daylight_saving() -> None:
    """On 29 March 2026 clocks in Berlin go from 02:00 to 03:00: Monday 09:00 is 07:00 UTC, the Friday before 08:00."""
    hours = Hours.parse("mon-fri 09:00-18:00", "Europe/Berlin")
    friday_evening = 1_774_634_400_000_000  # 2026-03-27T18:00:00Z
    assert hours.opens_at(friday_evening) == 1_774_854_000_000_000
    assert hours.opens_at(1_774_854_000_000_000) is None
    assert Hours.parse("", "UTC").opens_at(T0) is None


@pytest.mark.parametrize("hours", ["always", "mon 9-18", "mon 18:00-09:00", "mon 09:00-25:00", "mon 09:60-10:00", "mo 09:00-10:00"])  # fmt: skip
def test_hours_that_cannot_be_read_are_one_clear_line(hours: str) -> None:
    with pytest.raises(ConfigurationError, match="DESKSTREAM_CHAT_HOURS"):
        Hours.parse(hours, "UTC")
    with pytest.raises(ConfigurationError, match="DESKSTREAM_CHAT_TIME_ZONE"):
        Hours.parse("", "Mars/Base")


def test_the_hours_begin_and_end_at_their_minute() -> None:
    hours, day, minute = Hours.parse("mon-fri 09:30-18:00", "Europe/Berlin"), 86_400_000_000, 60_000_000
    monday_0930 = 1_774_855_800_000_000  # 2026-03-30T07:30:00Z
    assert [hours.open_at(monday_0930 + after * minute) for after in (-1, 0, 509, 510)] == [False, True, True, False]
    assert hours.opens_at(monday_0930 - minute) == monday_0930
    assert hours.opens_at(monday_0930 + 510 * minute) == monday_0930 + day
    assert hours.opens_at(monday_0930 + 4 * day + 510 * minute) == monday_0930 + 7 * day
