"""Presence facts: one for each period in which an agent's status did not change.

A period ends when the status changes, and of an agent online also when they get their first open ticket or lose their
last. Only agents who announced themselves have a presence; one whom a manual assignment brought in has none. The period
of an agent of whom no report comes any more ends when their time is up (see `silence`).
"""

from __future__ import annotations

from msgspec.structs import replace

from schemas.events import Event
from schemas.facts import PresenceFact
from stream_processors.routing.live_team import LiveTeam
from stream_processors.routing.offers import away_for
from stream_processors.routing.state import Agent
from stream_processors.runtime.processor import Position

__all__ = ["presence_facts"]

_UNKNOWN = Agent()


def presence_facts(live: LiveTeam, team: str, event: Event, position: Position) -> list[PresenceFact]:
    """Begins the periods of the agents whom the record changed; returns the facts: at most two of each."""
    facts: list[PresenceFact] = []
    roster, offered_before = live.roster, live.state.offered
    for name, before in roster.before.items():
        agent = roster.agents.get(name)
        if agent is None or not agent.announced or (agent is before and live.offered is offered_before):
            continue
        known = before or _UNKNOWN
        was_busy, busy = known.is_busy(offered_before.get(name, 0)), agent.is_busy(live.offered.get(name, 0))
        if known.since is not None and known.status == agent.status and was_busy == busy:
            continue
        at = _happened_at(event, known)
        same_status = known.since is not None and known.status == agent.status
        agent = replace(agent, since=at, status_since=known.status_since if same_status else at)
        roster.agents[name] = agent
        if known.since is not None and known.since < at:
            reason = away_for(known, live.state.missed.get(name, 0))
            facts.append(_fact(name, known, team, event, position, at, was_busy, reason, until=at))
        reason = away_for(agent, live.missed.get(name, 0))
        facts.append(_fact(name, agent, team, event, position, at, busy, reason))
    return facts


def _happened_at(event: Event, known: Agent) -> int:
    """Returns the time of the change by the sender's clock, not after we received it nor before the known period began."""
    happened = min(event.occurred_at, event.received_at)
    return happened if known.since is None else max(happened, known.since)


def _fact(
    name: str,
    agent: Agent,
    team: str,
    event: Event,
    position: Position,
    at: int,
    busy: bool,
    reason: str,
    until: int | None = None,
) -> PresenceFact:
    assert agent.since is not None
    return PresenceFact(
        customer_tag="",
        version=position.offset,
        partition=position.partition,
        at=at,
        team=team,
        agent_id=name,
        since=agent.since,
        status=agent.status,
        busy=busy,
        status_since=agent.status_since,
        until=until,
        reason=reason,
    )
