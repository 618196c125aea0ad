"""Decides which agents are away or gone because no report of them came, and when their whole source is silent.

An agent is away when so much time has passed since their last report as their channels allow (`Traits.away_micros`), and
offline after twice that; who takes live channels keeps other tickets for 15 minutes. When the agents of one source fall
silent together, it is the source that died: nobody is away then, and nothing is given back. So an agent whose time is up is
away only when the source reported somebody in the second half of that time. Otherwise the source has its own time, from its
last report on, to show that it lives.

**Order of reports.** What one source says of an agent is ordered by the source's own clock: a report that is older than the
newest one comes late: it only shows that the source lives, and nothing at all when it says something else. Clocks of two sources
are never compared, nor with ours: between sources the order of arrival decides. A clock that was set back would make all reports
late, so a source that goes on saying something else is believed after a minute, and one whose reports are older by more than
half an hour at once: nobody delivers that late.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from schemas.clock import MICROS
from schemas.events import PresenceChanged
from stream_processors.routing.live_team import LiveTeam
from stream_processors.routing.state import Agent, Source, bounded_seconds

__all__ = ["Silence", "comes_late", "expect_report", "judge", "judge_soon", "record_report"]

_OFFLINE_MICROS = 15 * 60 * MICROS
#: No report arrives after a newer one by so much: the clock was set back.
MOST_LATE_MICROS = 30 * 60 * MICROS
#: A source that says something else than its newest report for so long is believed.
DOUBT_MICROS = 60 * MICROS


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
        agent,
        reported_at=at,
        valid_seconds=bounded_seconds(event.valid_seconds),
        source=source,
        silent=False,
        delay=at - event.occurred_at,
    )


def comes_late(live: LiveTeam, event: PresenceChanged) -> bool:
    """Returns true for a report that its source has overtaken by another one; the agent's time goes on if they agree."""
    agent = live.roster.agents.get(event.agent_id)
    if agent is None or agent.reported_at is None or event.source != agent.source or event.imported:
        return False
    newest = agent.reported_at - agent.delay
    if not 0 < newest - event.occurred_at <= MOST_LATE_MICROS or _is_believed(live, event, agent):
        if event.agent_id in live.doubted:
            live.doubted = {name: doubt for name, doubt in live.doubted.items() if name != event.agent_id}
        return False
    if event.status == agent.status and event.received_at > agent.reported_at:
        alive = replace(agent, reported_at=event.received_at, delay=event.received_at - newest)
        live.roster.set(event.agent_id, alive)
    return True


def _is_believed(live: LiveTeam, event: PresenceChanged, agent: Agent) -> bool:
    """Returns true for a report that goes on contradicting the newest one; notes the first that does."""
    if event.status == agent.status:
        return False
    doubt = live.doubted.get(event.agent_id)
    if doubt is None:
        live.doubted = {**live.doubted, event.agent_id: (event.occurred_at, event.received_at)}
        return False
    return event.occurred_at > doubt[0] and event.received_at - doubt[1] >= DOUBT_MICROS


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
