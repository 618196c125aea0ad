"""What becomes of agents and tickets whose team changes: taken out before they came, a team that is gone, waits by hand."""

from __future__ import annotations

from schemas.events import AgentProfile, Overflowed, Tick
from stream_processors.routing.fold import MOST_LEAVING
from stream_processors.routing.state import Team, entry_key
from tests.stream_processors.routing.conftest import SECOND, T0
from tests.stream_processors.routing.test_capacity_and_waiting import A, B, Desk


def test_who_was_taken_out_before_they_came_gets_nothing() -> None:
    for taken_out in ("roster", "configuration"):
        desk = Desk(agents=[AgentProfile(agent_id="mei")], limits={"default": 2})
        if taken_out == "roster":
            desk.roster("mei", active=False)
        else:
            desk.configure(2, agents=[], limits={"default": 2})
        desk.update("queue", A)
        desk.presence("mei")
        assert desk.given() == [], taken_out
        desk.roster("mei")
        assert [each[:2] for each in desk.given()] == [(A, "mei")], taken_out


def test_the_time_until_the_fallback_begins_when_a_ticket_comes_to_the_team() -> None:
    desk = Desk(overflow_seconds={"default": 60})
    wrote = T0 - 3600 * SECOND
    desk.update("queue", A, eligible_at=wrote, fallback="returns", ref="r1")
    came = desk.router.states[entry_key("support", A)]
    assert desk.due(A) == T0 + (desk.story.seconds + 60) * SECOND, "it was transferred by hand an hour after its mail"
    desk.update("queue", A, eligible_at=wrote, fallback="returns", ref="r1", priority="high")
    assert desk.due(A) == came.overflow_at, "another place is not another wait"


def test_what_waits_in_a_team_that_is_gone_goes_to_the_fallback_of_all() -> None:
    desk = Desk(agents=[AgentProfile(agent_id="mei")], limits={"default": 1})
    desk.presence("mei")
    tickets = [f"AAAABBBB{number:04}-1" for number in range(MOST_LEAVING + 5)]
    for ticket in tickets:
        desk.update("queue", ticket, fallback="")
    desk.written.clear()
    desk.configure(2, active=False, fallback="front")
    moved = [each for each in desk.written if isinstance(each, Overflowed)]
    assert (len(moved), {each.to_team for each in moved}) == (MOST_LEAVING, {"front"})
    team = desk.router.states[b"tsupport"]
    assert isinstance(team, Team)
    due = desk.router.processor.deadline(b"tsupport", team)
    assert due is not None
    desk._fold(Tick(event_id="t", occurred_at=due, received_at=due, customer_tag="", state_key=b"tsupport"))
    assert {each.ticket_id for each in desk.written if isinstance(each, Overflowed)} == set(tickets)
    assert desk.router.waiting() == []
    desk.update("queue", B, fallback="returns")
    desk.tick(B)
    assert desk.written[-1].to_team == "front"


def test_queues_reserved_for_one_agent_each_share_what_finds_agents() -> None:
    desk = Desk(affinity_seconds={"default": 600}, limits={"default": 1})
    names = [f"agent{number}" for number in range(40)]
    for name in names:
        desk.presence(name)
        desk.update("queue", f"AAAABBBB{name[5:]:0>4}-1", preferred_agent=name)
    desk.written.clear()
    for name in names:
        desk.update("queue", f"AAAABBBB{name[5:]:0>4}-2", preferred_agent=name)
    assert desk.given() == []
    team = desk.router.states[b"tsupport"]
    assert isinstance(team, Team)
    assert len(team.waiting) == len(names)
    assert len(desk.router.processor._live["support"].roster._pools) <= 1
    desk.update("done", "AAAABBBB0007-1")
    assert desk.given() == [("AAAABBBB0007-2", "agent7", "previous_agent")]
    desk.presence("agent8", "offline")
    assert sorted(desk.given()) == [("AAAABBBB0008-1", "", "agent_offline")], "nobody else has room"
    desk.update("done", "AAAABBBB0007-2")
    assert desk.given() == [("AAAABBBB0008-1", "agent7", "least_open")]
