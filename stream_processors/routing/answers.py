"""Writes what the router says: of a ticket to the ticket's own partition, of an agent who is silent to all who read presences."""

from __future__ import annotations

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
    customer_tag = ticket.rpartition("-")[0]
    record = Assigned(
        event_id=event_id("assigned", ticket, team, str(position.partition), str(position.offset), agent),
        occurred_at=_not_before(entry, event),
        received_at=event.received_at,
        customer_tag=customer_tag,
        channel=entry.channel,
        source=SOURCE,
        imported=event.imported,
        causation_depth=event.causation_depth + 1,
        ticket_id=ticket,
        team=team,
        agent_id=agent,
        queued_at=entry.eligible_at,
        reason=reason,
        answers=entry.ref,
    )
    return Output(record, key=customer_tag)


def overflowed(team: str, ticket: str, entry: QueueEntry, to_team: str, event: Event, position: Position) -> Output:
    """Returns the word that a ticket waited too long."""
    customer_tag = ticket.rpartition("-")[0]
    record = Overflowed(
        event_id=event_id("overflowed", ticket, team, str(position.partition), str(position.offset)),
        occurred_at=_not_before(entry, event),
        received_at=event.received_at,
        customer_tag=customer_tag,
        channel=entry.channel,
        source=SOURCE,
        imported=event.imported,
        causation_depth=event.causation_depth + 1,
        ticket_id=ticket,
        team=team,
        to_team=to_team,
        answers=entry.ref,
        queued_at=entry.eligible_at,
        reason="waited",
    )
    return Output(record, key=customer_tag)


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


def _not_before(entry: QueueEntry, event: Event) -> int:
    """Returns when an answer occurred: records may arrive slightly out of order."""
    at, eligible_at = event.occurred_at, entry.eligible_at
    return at if at > eligible_at else eligible_at
