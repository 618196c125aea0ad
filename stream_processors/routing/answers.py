"""Writes what the router says: of a ticket to the ticket's own partition, of an agent who is silent to all who read presences."""

from __future__ import annotations

from typing import Any

from schemas.events import Assigned, Event, Overflowed, PresenceChanged
from schemas.identity import event_id
from stream_processors.routing.state import QueueEntry
from stream_processors.runtime.processor import Output, Position

__all__ = ["SOURCE", "assigned", "overflowed", "timed_out"]

#: The source of what the router writes.
SOURCE = "routing"


def assigned(
    team: str, ticket: str, entry: QueueEntry, agent: str, reason: str, event: Event, position: Position
) -> Output:
    """Returns the assignment of a ticket; to nobody: it was given back. Its id is that of the record that caused it."""
    cause = str(position.partition), str(position.offset), agent
    return _output(
        Assigned(
            **_common("assigned", team, ticket, entry, event, cause),
            agent_id=agent,
            queued_at=entry.eligible_at,
            reason=reason,
        )
    )


def overflowed(team: str, ticket: str, entry: QueueEntry, to_team: str, event: Event, position: Position) -> Output:
    """Returns the word that a ticket waited too long."""
    cause = str(position.partition), str(position.offset)
    common = _common("overflowed", team, ticket, entry, event, cause)
    return _output(Overflowed(**common, to_team=to_team, queued_at=entry.eligible_at, reason="waited"))


def timed_out(team: str, agent: str, status: str, event: Event, position: Position) -> Output:
    """Returns the presence of an agent of whom no report came. The router itself takes nothing from it."""
    cause = str(position.partition), str(position.offset)
    presence = PresenceChanged(
        event_id=event_id("timed_out", team, agent, status, *cause),
        occurred_at=event.occurred_at,
        received_at=event.received_at,
        customer_tag="",
        source=SOURCE,
        causation_depth=event.causation_depth + 1,
        agent_id=agent,
        team=team,
        status=status,
    )
    return Output(presence, key=team)


def _output(record: Assigned | Overflowed) -> Output:
    return Output(record, key=record.customer_tag)


def _common(
    what: str, team: str, ticket: str, entry: QueueEntry, event: Event, cause: tuple[str, ...]
) -> dict[str, Any]:
    return {
        "event_id": event_id(what, ticket, team, *cause),
        "occurred_at": max(event.occurred_at, entry.eligible_at),  # records may arrive slightly out of order
        "received_at": event.received_at,
        "customer_tag": ticket.rpartition("-")[0],
        "channel": entry.channel,
        "source": SOURCE,
        "imported": event.imported,
        "causation_depth": event.causation_depth + 1,
        "ticket_id": ticket,
        "team": team,
        "answers": entry.ref,
    }
