"""Agents of whom no report comes: away, then offline, unless their whole source is silent."""

from __future__ import annotations

from typing import Any

from schemas.events import Assigned, PresenceChanged, TeamConfigured, Tick
from stream_processors.routing.state import Agent
from tests.stream_processors.routing.conftest import SECOND, T0, Router, Story

CHAT, MAIL = "AAAABBBBCCCA-1", "AAAABBBBCCCB-1"


class Clock:
    """Folds events at chosen seconds; ticks come when the team is due."""

    def __init__(self) -> None:
        self.router, self.story = Router(), Story()
        self.assigned: list[tuple[str, str, str]] = []

    def fold(self, event: Any) -> None:
        self.assigned += [
            (a.ticket_id, a.agent_id, a.reason) for a in self.router.fold(event) if isinstance(a, Assigned)
        ]

    def report(self, second: int, agent: str, status: str = "online", **fields: Any) -> None:
        fields.setdefault("source", "desk")
        self.run_to(second)
        self.story.seconds = second - 1
        self.fold(self.story.presence(agent, status, **fields))

    def queue(self, second: int, ticket: str, channel: str) -> None:
        self.run_to(second)
        self.story.seconds = second - 1
        self.fold(self.story.update("queue", ticket, channel))

    def run_to(self, second: int) -> None:
        """Fold the ticks that are due until then."""
        for _ in range(100):
            due = self.router.processor.deadline(b"tsupport", self.team) if b"tsupport" in self.router.states else None
            if due is None or due > T0 + second * SECOND:
                return
            base = {"event_id": f"tick{due}", "occurred_at": due, "received_at": due, "customer_tag": ""}
            self.fold(Tick(**base, state_key=b"tsupport"))
        raise AssertionError("the team is due for ever")

    @property
    def team(self) -> Any:
        return self.router.states[b"tsupport"]

    def agent(self, name: str) -> Agent:
        return self.team.agents[name]  # type: ignore[no-any-return]


def test_an_agent_with_live_channels_is_away_after_90_s_and_gone_after_15_min() -> None:
    clock = Clock()
    clock.report(0, "mei")
    clock.queue(1, CHAT, "chat")
    clock.queue(2, MAIL, "email")
    clock.run_to(89)
    assert clock.agent("mei").status == "online"
    clock.run_to(90)
    assert (clock.agent("mei").status, clock.agent("mei").open) == ("away", {"email": 1})
    assert clock.assigned[-1] == (CHAT, "", "agent_silent"), (
        "a customer in a chat does not wait for an agent who is gone"
    )
    clock.run_to(899)
    assert clock.agent("mei").status == "away"
    clock.run_to(900)
    assert (clock.agent("mei").status, clock.assigned[-1]) == ("offline", (MAIL, "", "agent_silent"))
    assert clock.router.processor.deadline(b"tsupport", clock.team) is None
    clock.report(1000, "mei")
    assert {each[:2] for each in clock.assigned[-2:]} == {(CHAT, "mei"), (MAIL, "mei")}, (
        "who reports again is there again"
    )


def test_times_follow_channels_configuration_and_leases() -> None:
    for capacity, lease, configured, away, gone in (
        ({"default": 2}, 0, {}, 90, 900),
        ({"email": 2}, 0, {}, 900, 1800),
        ({"email": 2, "chat": 0}, 0, {}, 900, 1800),
        ({"email": 2, "phone": 1}, 0, {}, 90, 900),
        ({"email": 2}, 60, {}, 60, 120),
        ({"chat": 2}, 43_200, {}, 43_200, 86_400),
        ({"chat": 2}, 0, {"chat": 30}, 30, 900),
        ({"email": 2}, 0, {"chat": 30, "default": 3600}, 3600, 7200),
    ):
        clock, story = Clock(), Story()
        base = {"event_id": "c", "occurred_at": T0, "received_at": T0, "customer_tag": "", "content": "c"}
        clock.fold(TeamConfigured(**base, team=story.team, number=1, silent_seconds=configured))
        clock.report(0, "mei", capacity=capacity, valid_seconds=lease)
        found = []
        for second in (away - 1, away, gone - 1, gone):
            clock.run_to(second)
            found.append(clock.agent("mei").status)
        assert found == ["online", "away", "away", "offline"], (capacity, lease, configured)


def test_one_of_several_agents_who_vanishes_is_away_while_others_report() -> None:
    clock = Clock()
    for second in range(0, 200, 30):
        for place, agent in enumerate(("mei", "tom", "yui")):
            if agent != "mei" or second == 0:
                clock.report(second + place, agent)
    assert [clock.agent(each).status for each in ("mei", "tom", "yui")] == ["away", "online", "online"]
    assert clock.team.sources["desk"].silent_since is None


def test_slow_reports_of_others_put_off_the_end_but_not_for_ever() -> None:
    clock = Clock()
    clock.report(0, "mei")
    for second in range(1, 400, 80):
        clock.report(second, "tom")
    assert [clock.agent(each).status for each in ("mei", "tom")] == ["away", "online"]


def test_a_source_that_dies_sends_nobody_away_and_its_agents_get_time_afterwards() -> None:
    clock = Clock()
    for place, agent in enumerate(("mei", "tom", "yui")):
        clock.report(10 * place, agent)
    clock.report(25, "ivy", source="other")
    clock.queue(26, CHAT, "chat")
    clock.run_to(3000)
    assert [clock.agent(each).status for each in ("mei", "tom", "yui", "ivy")] == ["online"] * 3 + ["offline"]
    assert clock.team.sources["desk"].silent_since == T0 + 20 * SECOND
    assert not [each for each in clock.assigned if each[2] == "agent_silent" and each[0] != CHAT]
    clock.report(3600, "tom")
    assert clock.team.sources["desk"].silent_since is None
    clock.run_to(3680)
    assert clock.agent("mei").status == "online", "they have their time again"
    for second in range(3630, 3800, 30):
        clock.report(second, "tom")
    assert [clock.agent(each).status for each in ("mei", "tom", "yui")] == ["away", "online", "away"]


def test_a_stale_tick_and_a_report_of_the_past_change_nothing() -> None:
    clock = Clock()
    clock.report(0, "mei")
    clock.report(60, "mei")
    base = {"event_id": "t", "occurred_at": T0 + 90 * SECOND, "received_at": T0, "customer_tag": ""}
    clock.fold(Tick(**base, state_key=b"tsupport"))
    assert clock.agent("mei").status == "online"
    clock.report(61, "bob", imported=True)
    clock.run_to(500_000)
    assert clock.agent("bob").status == "online", "history has no leases"


def test_the_router_tells_others_who_timed_out_and_takes_nothing_from_it() -> None:
    router, story = Router(), Story()
    router.fold(story.presence("mei", source="desk"))
    due = router.processor.deadline(b"tsupport", router.states[b"tsupport"])
    base = {"event_id": "t", "occurred_at": due, "received_at": due, "customer_tag": ""}
    outputs = router.outputs_of(Tick(**base, state_key=b"tsupport"))
    (written,) = (each.record for each in outputs if isinstance(each.record, PresenceChanged))
    assert (written.agent_id, written.status, written.source) == ("mei", "away", "routing")
    assert written.causation_depth == 1
    reported_at = router.states[b"tsupport"].agents["mei"].reported_at
    assert router.outputs_of(written) == []
    assert router.states[b"tsupport"].agents["mei"].reported_at == reported_at
