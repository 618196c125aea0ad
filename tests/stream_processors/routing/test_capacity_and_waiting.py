"""Weights, order by due time, overflow, reservation, give-back, configuration, roster events and refs, on small stories."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import msgspec

from schemas.events import AgentProfile, Assigned, Overflowed, RosterChanged, TeamConfigured, Tick
from stream_processors.routing.processor import RoutingProcessor
from stream_processors.routing.roster import PERSON, Traits
from stream_processors.routing.state import Agent, Configuration, QueueEntry, Team, entry_key, skill_queue_prefix
from stream_processors.runtime.state_codec import StateCodec
from tests.stream_processors.routing.conftest import SECOND, T0, Router, Story

A, B, C, D = (f"AAAABBBBCCC{suffix}-1" for suffix in "ABCD")


class Desk:
    """One team and its story; `given` are all assignments, `written` everything that the router wrote."""

    def __init__(self, **configuration: Any) -> None:
        self.router, self.story, self.written = Router(), Story(), list[Any]()
        if configuration:
            self.configure(1, **configuration)

    def configure(self, number: int, **configuration: Any) -> None:
        self._fold(
            TeamConfigured(
                **self._base(), team="support", number=number, **{"content": f"{configuration}"} | configuration
            )
        )

    def roster(self, agent: str, **fields: Any) -> None:
        self._fold(RosterChanged(**self._base(), team="support", agent_id=agent, **fields))

    def presence(self, agent: str, status: str = "online", **fields: Any) -> None:
        fields.setdefault("capacity", {})
        self._fold(self.story.presence(agent, status, valid_seconds=10_000_000, **fields))

    def update(self, action: str, ticket: str, channel: str = "email", **fields: Any) -> None:
        self._fold(self.story.update(action, ticket, channel, **fields))

    def due(self, ticket: str) -> int | None:
        key = entry_key("support", ticket)
        return self.router.processor.deadline(key, self.router.states[key])

    def tick(self, ticket: str, at: int | None = None) -> None:
        due = self.due(ticket) if at is None else at
        assert due is not None
        self.story.seconds = max(self.story.seconds, (due - T0) // SECOND)
        base = {"event_id": f"tick{due}", "occurred_at": due, "received_at": due, "customer_tag": ""}
        self._fold(Tick(**base, state_key=entry_key("support", ticket)))

    def given(self) -> list[tuple[str, str, str]]:
        found = [(a.ticket_id, a.agent_id, a.reason) for a in self.written if isinstance(a, Assigned)]
        self.written.clear()
        return found

    def answered(self) -> list[tuple[str, str]]:
        found = [(each.agent_id, each.answers) for each in self.written if isinstance(each, Assigned)]
        self.written.clear()
        return found

    def _base(self) -> dict[str, Any]:
        self.story.seconds += 1
        at = T0 + self.story.seconds * SECOND
        return {"event_id": f"c{self.story.seconds}", "occurred_at": at, "received_at": at, "customer_tag": ""}

    def _fold(self, event: Any) -> None:
        self.written += [each.record for each in self.router.outputs_of(event)]


def test_shares_of_a_person_add_up_exactly() -> None:
    for parts in (*range(1, 17), 20, 25, 50, 100):
        traits = Traits.of(Agent(), Configuration(weights={"email": 1 / parts}))
        assert traits.cost("email") * parts == PERSON, f"1/{parts}"
    for written, share in ((0.33, Fraction(33, 100)), (0.15, Fraction(3, 20)), (2.0, Fraction(1)), (0.0, Fraction(0))):
        assert Traits.of(Agent(), Configuration(weights={"email": written})).cost("email") == share * PERSON


def test_channels_share_a_person_and_limits_stay() -> None:
    weights = {"chat": 1 / 3, "email": 0.1}
    for channels, expected in (
        (["chat"] * 5, {"chat": 3}),
        (["email"] * 12, {"email": 10}),
        (["chat", "chat", *["email"] * 9], {"chat": 2, "email": 3}),
        ([*["email"] * 7, "chat"], {"email": 7}),
    ):
        desk = Desk(limits={"default": 10}, weights=weights)
        desk.presence("mei")
        for number, channel in enumerate(channels):
            desk.update("queue", f"AAAABBBBCCCA-{number}", channel)
        assert desk.router.states[b"tsupport"].agents["mei"].open == expected, channels
    desk = Desk(limits={"chat": 1, "default": 10}, weights=weights)
    desk.presence("mei")
    desk.update("queue", A, "chat")
    desk.update("queue", B, "chat")
    assert [each[0] for each in desk.given()] == [A]


def test_a_ticket_given_by_hand_may_exceed_a_person() -> None:
    desk = Desk(limits={"default": 10}, weights={"default": 0.5})
    desk.presence("mei")
    for ticket in (A, B, C):
        desk.update("busy", ticket, agent_id="mei")
    desk.update("queue", D)
    desk.update("done", A)
    assert desk.given() == [], "two of them fill a person"
    desk.update("done", B)
    assert [each[:2] for each in desk.given()] == [(D, "mei")]


def test_the_nearest_due_time_is_served_first_within_a_priority() -> None:
    desk = Desk()
    for ticket, fields in (
        (A, {"due_at": None}),
        (B, {"due_at": T0 + 900 * SECOND}),
        (C, {"due_at": T0 + 300 * SECOND}),
        (D, {"due_at": None, "priority": "urgent"}),
    ):
        desk.update("queue", ticket, **fields)
    desk.presence("mei", capacity={"default": 9})
    assert [each[0] for each in desk.given()] == [D, C, B, A]


def test_what_waits_too_long_leaves_for_the_fallback_once() -> None:
    desk = Desk(overflow_seconds={"chat": 60, "default": 600})
    desk.update("queue", A, "chat", fallback="returns", ref="r1")
    desk.update("queue", B, "email", fallback="returns")
    desk.update("queue", C, "chat", fallback="")
    desk.update("queue", D, "chat", fallback="support")
    entry = desk.router.states[entry_key("support", A)]
    assert desk.due(A) == entry.eligible_at + 60 * SECOND and desk.due(B) is not None
    assert desk.due(C) is desk.due(D) is None, "nobody else has it"
    desk.tick(A, at=entry.eligible_at)
    assert desk.written == [], "it is not due yet"
    desk.tick(A)
    (moved,) = desk.written
    assert isinstance(moved, Overflowed)
    assert (moved.ticket_id, moved.team, moved.to_team, moved.answers) == (A, "support", "returns", "r1")
    desk.written.clear()
    desk.tick(A, at=entry.eligible_at + 61 * SECOND)
    desk.presence("mei", capacity={"default": 9})
    assert sorted(each[0] for each in desk.given()) == [B, C, D], "the router leaves it to its partition"
    desk.update("done", B)
    assert desk.due(C) is None


def test_a_ticket_waits_for_its_previous_agent_for_the_affinity_time() -> None:
    for previous, expected in (("mei", None), ("nobody", "tom")):
        desk = Desk(affinity_seconds={"default": 120})
        desk.presence("mei", capacity={"default": 1})
        desk.update("queue", A)
        desk.presence("tom", capacity={"default": 1})
        desk.given()
        desk.update("queue", B, preferred_agent=previous)
        assert [each[1] for each in desk.given()] == ([expected] if expected else [])
    for free, expected in (("done", [(B, "mei", "previous_agent")]), ("", [])):
        desk = Desk(affinity_seconds={"default": 120})
        desk.presence("mei", capacity={"default": 1})
        desk.update("queue", A)
        desk.presence("tom", capacity={"default": 1})
        desk.update("queue", B, preferred_agent="mei")
        desk.given()
        if free:
            desk.update(free, A)
            assert desk.given() == expected
        else:
            desk.tick(B)
            assert desk.given() == [(B, "tom", "least_open")], "the time is over"
    desk = Desk(affinity_seconds={"default": 120})
    for agent, room in (("mei", 1), ("tom", 2)):
        desk.presence(agent, capacity={"default": room})
        desk.update("queue", A if agent == "mei" else D, agent_id=agent)
    desk.update("done", D)
    desk.given()
    desk.update("queue", B, preferred_agent="mei")
    desk.presence("mei", "offline")
    assert (B, "tom", "least_open") in desk.given(), "who goes home is not waited for"


def test_a_ticket_left_alone_goes_to_somebody_else() -> None:
    desk = Desk(give_back_percent=50)
    desk.presence("mei", capacity={"default": 2})
    desk.update("queue", A, due_at=T0 + 1000 * SECOND)
    desk.presence("tom", capacity={"default": 2})
    desk.given()
    assigned = desk.router.states[entry_key("support", A)]
    assert assigned.silent_at is not None and abs(assigned.silent_at - (T0 + 501 * SECOND)) < 2 * SECOND
    desk.tick(A)
    assert desk.given() == [(A, "", "left_alone"), (A, "tom", "least_open")]
    desk.presence("tom", "away")
    desk.tick(A)
    assert desk.given() == [(A, "", "left_alone"), (A, "mei", "least_open")]
    desk.update("idle", A)
    assert entry_key("support", A) not in desk.router.states


def test_configuration_fills_what_agents_do_not_report() -> None:
    desk = Desk(
        agents=[AgentProfile(agent_id="mei", capacity={"default": 1}, skills=["refunds"], languages=["ja"])],
        limits={"default": 3},
    )
    desk.presence("mei")
    desk.presence("tom")
    for ticket in (A, B, C):
        desk.update("queue", ticket, skills=["refunds"], language="ja")
    assert [each[:2] for each in desk.given()] == [(A, "mei")], "the others wait for who has language and skill"
    desk.configure(0, limits={"default": 9})
    assert desk.given() == [], "older rules are old news"
    desk.configure(
        2, agents=[AgentProfile(agent_id="mei", capacity={"default": 2}, languages=["ja"])], limits={"default": 3}
    )
    assert [each[:2] for each in desk.given()] == [(B, "tom"), (C, "mei")], "nobody has the skill any more"


def test_who_leaves_the_configuration_gives_everything_back() -> None:
    desk = Desk(agents=[AgentProfile(agent_id="mei"), AgentProfile(agent_id="tom")], limits={"default": 2})
    desk.presence("mei")
    desk.update("queue", A)
    desk.presence("tom", "away")
    desk.given()
    desk.configure(2, agents=[AgentProfile(agent_id="tom")], limits={"default": 2})
    assert desk.given() == [(A, "", "agent_left")]
    desk.presence("mei")
    assert desk.given() == [], "a report does not bring them back"
    desk.configure(3, agents=[AgentProfile(agent_id="tom"), AgentProfile(agent_id="mei")], limits={"default": 2})
    assert desk.given() == [(A, "mei", "least_open")]


def test_a_roster_event_holds_until_the_configuration_changes_its_mind() -> None:
    profile = AgentProfile(agent_id="mei", capacity={"default": 1})
    desk = Desk(agents=[profile])
    desk.roster("mei", capacity={"default": 2})
    desk.presence("mei")
    for ticket in (A, B, C):
        desk.update("queue", ticket)
    assert [each[0] for each in desk.given()] == [A, B]
    desk.configure(2, agents=[profile], limits={"default": 5})
    assert desk.given() == []
    desk.roster("mei", active=False)
    assert {each[2] for each in desk.given()} == {"agent_left"}
    desk.configure(3, agents=[AgentProfile(agent_id="mei", capacity={"default": 3})])
    assert sorted(each[0] for each in desk.given()) == [A, B, C]


def test_a_new_ref_undoes_what_was_assigned_under_the_old_one() -> None:
    desk = Desk()
    desk.presence("mei", capacity={"default": 1})
    desk.update("queue", A, ref="r1")
    assert desk.answered() == [("mei", "r1")]
    desk.update("queue", A, ref="r1", priority="high")
    assert desk.given() == [], "the same decision: it stays assigned"
    desk.update("queue", A, ref="r2")
    assert desk.answered() == [("mei", "r2")]
    desk.update("busy", A, ref="r3", agent_id="mei")
    desk.written.clear()
    desk.presence("mei", "offline")
    assert desk.answered() == [("", "r3")]


def test_tickets_that_waited_in_an_older_build_are_assigned_first_come_first() -> None:
    codec = StateCodec(RoutingProcessor().kinds)
    states: dict[bytes, bytes] = {}
    for number, ticket in enumerate((A, B)):
        entry = ("email", "", [], "normal", T0 + number, "", "")
        states[entry_key("support", ticket)] = _stored(2, 5, entry)
        place = b"2" + (T0 + number + (1 << 63)).to_bytes(8, "big") + ticket.encode()
        states[skill_queue_prefix("support", "email\0\0") + place] = _stored(1, 5, ())
    agent = ("offline", True, {"default": 3}, [], [], {}, 4, T0, T0)
    states[b"tsupport"] = _stored(2, 5, ({"mei": agent}, {"email\0\0": 2}, 4, {}))
    desk = Desk()
    desk.router.apply({key: codec.load(key, value) for key, value in sorted(states.items())})
    desk.router.offset = 5
    assert isinstance(desk.router.states[b"tsupport"], Team)
    assert isinstance(desk.router.states[entry_key("support", A)], QueueEntry)
    desk.update("queue", C, eligible_at=T0 + 9)
    desk.presence("mei")
    assert [each[:2] for each in desk.given()] == [(A, "mei"), (B, "mei"), (C, "mei")]


def test_no_number_that_is_said_stops_a_worker() -> None:
    codec = StateCodec(RoutingProcessor().kinds, RoutingProcessor().deadline)
    for odd in (-(2**63), -1, 0, 2**53, 2**63 - 1):
        for weight in (float("nan"), float("inf"), -1.0, 1e300, 5e-324):
            desk = Desk(
                overflow_seconds={"default": odd},
                affinity_seconds={"default": odd},
                silent_seconds={"default": odd, "chat": odd},
                limits={"default": odd},
                weights={"default": weight},
                give_back_percent=odd,
            )
            desk.roster("mei", capacity={"default": odd}, weights={"chat": weight})
            desk._fold(desk.story.presence("mei", valid_seconds=odd, capacity={"default": odd, "chat": 5}))
            for ticket in (A, B):
                desk.update("queue", ticket, "chat", due_at=T0 * 3, preferred_agent="mei", fallback="returns")
            for key, state in desk.router.states.items():
                assert codec.load(key, codec.dump(key, state)) == state, (odd, weight)


def _stored(version: int, offset: int, fields: tuple[Any, ...]) -> bytes:
    """Returns a state as an older build stored it, without a deadline."""
    head = bytes([version | 0x80]) + offset.to_bytes(8, "big") + (-(1 << 63)).to_bytes(8, "big", signed=True)
    return head + msgspec.msgpack.encode((offset, *fields))
