"""Presence facts: one for each period in which an agent's status did not change.

A period ends when the status changes, and of an agent online also when they get their first open ticket or lose their
last. Only agents who announced themselves have a presence; one whom a manual assignment brought in has none. An agent
who stops reporting keeps the status that was reported last: nothing here ends a presence by itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from schemas.events import PresenceChanged, RoutingUpdate
from schemas.facts import PresenceFact
from stream_processors.routing.state import Agent
from stream_processors.runtime.processor import Position

__all__ = ["presence_facts"]

_UNKNOWN = Agent()


def presence_facts(
    before: Mapping[str, Agent], agents: Mapping[str, Agent], event: PresenceChanged | RoutingUpdate, position: Position
) -> tuple[dict[str, Agent], list[PresenceFact]]:
    """Returns the agents with their current periods, and the facts: at most two of each agent whom the record changed."""
    changed = {name: agent for name, agent in agents.items() if agent is not before.get(name) and agent.announced}
    facts: list[PresenceFact] = []
    for name, agent in changed.items():
        known = before.get(name, _UNKNOWN)
        if known.since is not None and (known.status, known.busy) == (agent.status, agent.busy):
            continue
        at = _happened_at(event, known)
        same_status = known.since is not None and known.status == agent.status
        agent = replace(agent, since=at, status_since=known.status_since if same_status else at)
        changed[name] = agent
        if known.since is not None and known.since < at:
            facts.append(_fact(name, known, event, position, at, until=at))
        facts.append(_fact(name, agent, event, position, at))
    return {**agents, **changed} if facts else dict(agents), facts


def _happened_at(event: PresenceChanged | RoutingUpdate, known: Agent) -> int:
    """Returns the time of the change by the sender's clock, not after we received it nor before the known period began."""
    happened = min(event.occurred_at, event.received_at)
    return happened if known.since is None else max(happened, known.since)


def _fact(
    name: str,
    agent: Agent,
    event: PresenceChanged | RoutingUpdate,
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
        team=event.team,
        agent_id=name,
        since=agent.since,
        status=agent.status,
        busy=agent.busy,
        status_since=agent.status_since,
        until=until,
    )
