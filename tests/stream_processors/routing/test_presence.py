"""Presence as facts: stretch after stretch, by hand. The story's events are a second apart, from T0 + 1 s on."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from schemas.facts import PresenceFact
from stream_processors.routing.state import Team, team_key
from stream_processors.runtime.processor import Position
from stream_processors.runtime.state_codec import StateCodec
from tests.stream_processors.routing.conftest import SECOND, T0

A, B = "AAAABBBBCCCA-1", "AAAABBBBCCCB-1"


def stretches(router: Any, agent: str = "mei") -> list[tuple[Any, ...]]:
    """(from, to, status, busy) in seconds after T0, of the highest version of each."""
    latest: dict[int, PresenceFact] = {}
    for fact in router.described:
        if fact.agent_id == agent:
            latest[fact.since] = fact
    return [
        (seconds(fact.since), fact.until and seconds(fact.until), fact.status, fact.busy)
        for _, fact in sorted(latest.items())
    ]


def seconds(at: int) -> float:
    return (at - T0) / SECOND


def test_a_shift_with_a_pause_and_a_ticket(router: Any, story: Any) -> None:
    router.fold(story.presence("mei"))  # 1 s
    router.fold(story.update("queue", A))  # 2 s: hers at once
    router.fold(story.update("idle", A))  # 3 s: answered, the customer's turn
    router.fold(story.presence("mei", "away"))  # 4 s
    router.fold(story.presence("mei"))  # 5 s
    router.fold(story.presence("mei", "offline"))  # 6 s
    assert stretches(router) == [
        (1, 2, "online", False),
        (2, 3, "online", True),
        (3, 4, "online", False),
        (4, 5, "away", False),
        (5, 6, "online", False),
        (6, None, "offline", False),
    ]
    since = {seconds(fact.since): seconds(fact.status_since) for fact in router.described}
    assert since == {1: 1, 2: 1, 3: 1, 4: 4, 5: 5, 6: 6}, "the three stretches until the pause are one time online"


def test_a_fact_says_where_it_is_from(router: Any, story: Any) -> None:
    router.fold(story.presence("mei"))
    router.fold(story.presence("mei", "away"))
    first, ended, away = router.described
    assert (first.customer_tag, first.team, first.partition, first.version, first.at) == (
        *("", "support", 0, 0),
        T0 + SECOND,
    )
    assert (ended.since, ended.version, ended.at, ended.until) == (first.since, 1, T0 + 2 * SECOND, T0 + 2 * SECOND)
    assert (away.since, away.version, away.at, away.until) == (T0 + 2 * SECOND, 1, T0 + 2 * SECOND, None)


def test_the_facts_are_keyed_by_the_team(router: Any, story: Any) -> None:
    outcome = router.processor.process(story.presence("mei"), Position(0, 0), router)
    assert [output.key for output in outcome.outputs] == ["support"]


def test_what_changes_no_presence_writes_no_fact(router: Any, story: Any) -> None:
    router.fold(story.presence("mei", capacity={"default": 9}))
    router.fold(story.update("queue", A))
    described = len(router.described)
    router.fold(story.presence("mei", capacity={"default": 8}))  # said again, with another capacity
    router.fold(story.update("queue", B))  # a second ticket
    router.fold(story.update("idle", A))  # one is left
    assert router.described[described:] == []


def test_a_ticket_that_goes_when_another_comes_leaves_no_gap(router: Any, story: Any) -> None:
    router.fold(story.presence("mei", capacity={"default": 1}))  # 1 s
    router.fold(story.update("queue", A))  # 2 s
    router.fold(story.update("queue", B))  # 3 s: waits
    router.fold(story.update("done", A))  # 4 s: B is hers in the same moment
    assert stretches(router) == [(1, 2, "online", False), (2, None, "online", True)]


def test_an_agent_who_goes_offline_is_not_busy_any_more(router: Any, story: Any) -> None:
    router.fold(story.presence("mei"))  # 1 s
    router.fold(story.update("queue", A))  # 2 s
    router.fold(story.presence("mei", "offline"))  # 3 s
    router.fold(story.presence("tom"))  # 4 s: takes it
    assert stretches(router) == [(1, 2, "online", False), (2, 3, "online", True), (3, None, "offline", False)]
    assert stretches(router, "tom") == [(4, None, "online", True)]


def test_who_is_away_keeps_tickets_and_is_busy_again_when_they_are_back(router: Any, story: Any) -> None:
    router.fold(story.presence("mei"))  # 1 s
    router.fold(story.update("queue", A))  # 2 s
    router.fold(story.presence("mei", "away"))  # 3 s
    router.fold(story.presence("mei"))  # 4 s
    assert stretches(router)[2:] == [(3, 4, "away", False), (4, None, "online", True)]


def test_an_agent_who_never_announced_themselves_has_no_facts(router: Any, story: Any) -> None:
    router.fold(story.update("busy", A, agent_id="eva"))
    assert router.described == []
    router.fold(story.presence("eva"))  # 2 s: already with a ticket in her hands
    assert stretches(router, "eva") == [(2, None, "online", True)]


@pytest.mark.parametrize(
    ("occurred", "received", "at"),
    [
        (9, 9, 9),
        (7, 9, 7),  # told late: it was over when it was over
        (3, 9, 5),  # so late that a later stretch was told already: that one is as short as can be
        (99, 9, 9),  # a clock that is ahead: not after we heard of it
    ],
)
def test_a_change_is_at_the_senders_time_within_bounds(
    router: Any, story: Any, occurred: int, received: int, at: int
) -> None:
    router.fold(story.presence("mei"))
    router.fold(replace(story.presence("mei", "away"), occurred_at=T0 + 5 * SECOND, received_at=T0 + 5 * SECOND))
    away = story.presence("mei", "offline", source="another clock")
    router.fold(replace(away, occurred_at=T0 + occurred * SECOND, received_at=T0 + received * SECOND))
    expected = [(1, 5, "online", False), (5, at, "away", False), (at, None, "offline", False)]
    assert stretches(router) == [each for each in expected if each[0] != each[1]]


def test_an_agent_of_two_teams_has_a_presence_in_each(router: Any, new_story: Any) -> None:
    support, payments = new_story(), new_story("payments")
    router.fold(support.presence("mei"))
    router.fold(payments.presence("mei"))
    router.fold(support.presence("mei", "offline"))
    open_ = {(fact.team, fact.status) for fact in router.described if fact.until is None}
    assert open_ == {("support", "online"), ("payments", "online"), ("support", "offline")}


def test_two_changes_at_one_instant_leave_no_empty_period(router: Any, story: Any) -> None:
    router.fold(story.presence("mei"))  # 1 s
    router.fold(replace(story.presence("mei", "away"), occurred_at=T0 + SECOND))
    assert [fact.until for fact in router.described] == [None, None]
    assert stretches(router) == [(1, None, "away", False)]


def test_agents_of_an_older_build_are_described_from_their_next_change(router: Any, story: Any) -> None:
    """A `Team` of version 1: six fields of an agent, and when the status began is not known."""
    router.fold(story.presence("mei"))
    router.fold(story.presence("tom"))
    [key] = [key for key in router.states if key == team_key("support")]
    agents = {name: replace(agent, since=None, status_since=0) for name, agent in router.states[key].agents.items()}
    router.states[key] = Team(offset=router.offset, agents=agents)
    router.described.clear()
    router.fold(story.update("queue", A))  # 3 s
    router.fold(story.update("queue", B))  # 4 s
    assert stretches(router) == [(3, None, "online", True)], "of the time before nobody can say when it began"
    assert stretches(router, "tom") == [(4, None, "online", True)]
    assert {seconds(fact.status_since) for fact in router.described} == {3, 4}


def test_a_team_that_an_older_build_stored_is_read(router: Any) -> None:
    codec = StateCodec(router.processor.kinds)
    old_agent = ["online", True, {"default": 2}, [], [], {"email": 1}, 3]
    body = msgspec.msgpack.encode([7, {"mei": old_agent}, {}, 3, {}])
    stored = bytes([1]) + (7).to_bytes(8, "big", signed=True) + body
    team = codec.load(b"tsupport", stored)
    assert (team.offset, team.agents["mei"].open, team.agents["mei"].since) == (7, {"email": 1}, None)
