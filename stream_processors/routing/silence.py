"""Decides which agents are away or gone because no report of them came, and when their whole source is silent.

An agent is away when so much time has passed since their last report as their channels allow (`Traits.away_micros`), and
offline after twice that; who takes live channels keeps other tickets for 15 minutes. When the agents of one source fall
silent together, it is the source that died: nobody is away then, and nothing is given back. So an agent whose time is up is
away only when the source reported somebody in the second half of that time. Otherwise the source has its own time, from its
last report on, to show that it lives.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from schemas.clock import MICROS
from schemas.events import PresenceChanged
from stream_processors.routing.live_team import LiveTeam
from stream_processors.routing.state import Agent, Source, bounded_seconds

__all__ = ["Silence", "expect_report", "judge", "judge_soon", "record_report"]

_OFFLINE_MICROS = 15 * 60 * MICROS


class Silence(NamedTuple):
    """The agents whose time is up, in the order of their names."""

    away: list[str]
    offline: list[str]


def record_report(live: LiveTeam, event: PresenceChanged, agent: Agent) -> Agent:
    """Returns the agent with the lease of this report; the team knows of its source. Imported history has no leases."""
    if event.imported:
        return replace(agent, silent=False)
    at, source = event.received_at, event.source
    known = live.sources.get(source) or Source(at)
    resumed = known.silent_since is not None
    live.sources = {
        **live.sources,
        source: Source(max(at, known.reported_at), None, at if resumed else known.resumed_at),
    }
    if resumed:  # its agents have their time again
        judge_soon(live, at)
    return replace(
        agent, reported_at=at, valid_seconds=bounded_seconds(event.valid_seconds), source=source, silent=False
    )


def judge_soon(live: LiveTeam, at: int) -> None:
    """Lets the agents be judged at a moment: somebody may be overdue earlier than is known."""
    if live.next_silence is None or at < live.next_silence:
        live.next_silence = at


def judge_again(live: LiveTeam, at: int) -> None:
    """Does so if anybody may be overdue at all."""
    if live.next_silence is not None:
        judge_soon(live, at)


def expect_report(live: LiveTeam, name: str) -> None:
    """Notes when an agent who just reported is overdue."""
    due = _due_at(live, name)
    if due is not None:
        judge_soon(live, due)


def judge(live: LiveTeam, at: int) -> Silence:
    """Returns whose time is up at a moment; notes sources that are silent by then, and when to judge again."""
    found = Silence([], [])
    following: list[int] = []
    peers: dict[str, int] = {}
    for agent in live.roster.agents.values():
        if _watched(agent) and not agent.silent:
            peers[agent.source] = peers.get(agent.source, 0) + 1
    for name, agent in sorted(live.roster.agents.items()):
        due = _due_at(live, name)
        if due is None:
            continue
        if due <= at and not agent.silent and peers[agent.source] > 1:
            due = _due_with_others(live, name, due, at)
        if due is None:
            continue
        if due > at:
            following.append(due)
        elif agent.silent:
            found.offline.append(name)
        else:
            found.away.append(name)
            following.append(due + _gone_micros(live, name))
    live.next_silence = min(following, default=None)
    named = {agent.source for agent in live.roster.agents.values()}
    if not live.sources.keys() <= named:
        live.sources = {name: source for name, source in live.sources.items() if name in named}
    return found


def _due_with_others(live: LiveTeam, name: str, due: int, at: int) -> int | None:
    """Returns when an agent is overdue of whose source others are on shift, too; None: the source is silent now."""
    agent = live.roster.agents[name]
    source, away = live.sources[agent.source], live.roster.traits[name].away_micros
    last = max(source.reported_at, source.resumed_at)
    if last > due - away // 2:
        return due
    if last + away > at:
        return last + away
    live.sources = {**live.sources, agent.source: replace(source, silent_since=last)}
    return None


def _watched(agent: Agent) -> bool:
    return agent.reported_at is not None and agent.status != "offline"


def _due_at(live: LiveTeam, name: str) -> int | None:
    """Returns when an agent is away, or offline who is away already; None for one of whom no report is expected."""
    agent = live.roster.agents[name]
    if not _watched(agent):
        return None
    source = live.sources[agent.source]
    if source.silent_since is not None:
        return None
    assert agent.reported_at is not None
    due = max(agent.reported_at, source.resumed_at) + live.roster.traits[name].away_micros
    return due + _gone_micros(live, name) if agent.silent else due


def _gone_micros(live: LiveTeam, name: str) -> int:
    """Returns after how much more time an agent who is away is offline."""
    away = live.roster.traits[name].away_micros
    return away if live.roster.agents[name].valid_seconds else max(away, _OFFLINE_MICROS - away)
