"""Presence facts: one for each period in which an agent's status did not change.

A period ends when the status changes, and of an agent online also when they get their first open ticket or lose their
last. Only agents who announced themselves have a presence; one whom a manual assignment brought in has none. The period
of an agent of whom no report comes any more ends when their time is up (see `silence`).
"""

from __future__ import annotations

from msgspec.structs import replace

from schemas.events import Event
from schemas.facts import PresenceFact
from stream_processors.routing.roster import Roster
from stream_processors.routing.state import Agent
from stream_processors.runtime.processor import Position

__all__ = ["presence_facts"]

_UNKNOWN = Agent()


def presence_facts(roster: Roster, team: str, event: Event, position: Position) -> list[PresenceFact]:
    """Begins the periods of the agents whom the record changed; returns the facts: at most two of each."""
    facts: list[PresenceFact] = []
    for name, before in roster.before.items():
        agent = roster.agents.get(name)
        if agent is None or not agent.announced or agent is before:
            continue
        known = before or _UNKNOWN
        if known.since is not None and known.status == agent.status and known.busy == agent.busy:
            continue
        at = _happened_at(event, known)
        same_status = known.since is not None and known.status == agent.status
        agent = replace(agent, since=at, status_since=known.status_since if same_status else at)
        roster.agents[name] = agent
        if known.since is not None and known.since < at:
            facts.append(_fact(name, known, team, event, position, at, until=at))
        facts.append(_fact(name, agent, team, event, position, at))
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
        busy=agent.busy,
        status_since=agent.status_since,
        until=until,
    )
