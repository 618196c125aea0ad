"""Writes what the router says: of a ticket to the ticket's own partition, of an agent who is silent to all who read presences."""

from __future__ import annotations

from typing import Any

from schemas.events import Assigned, Event, OfferAnswered, Offered, Overflowed, PresenceChanged
from schemas.identity import event_id
from stream_processors.routing.state import QueueEntry
from stream_processors.runtime.processor import Output, Position

__all__ = ["SOURCE", "assigned", "offer_ended", "offered", "overflowed", "presence"]

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


def offered(team: str, ticket: str, entry: QueueEntry, reason: str, event: Event, position: Position) -> Output:
    """Returns the offer of a ticket to the agent of its entry."""
    assert entry.offers is not None
    about = _about("offered", team, ticket, entry, event, position, entry.agent)
    expires_at, queued_at = entry.offers.until, entry.eligible_at
    record = Offered(
        **about, team=team, agent_id=entry.agent, expires_at=expires_at, queued_at=queued_at, reason=reason
    )
    return Output(record, key=record.customer_tag)


def offer_ended(team: str, ticket: str, entry: QueueEntry, outcome: str, event: Event, position: Position) -> Output:
    """Returns the word that an offer ended without an answer of its agent."""
    about = _about(outcome, team, ticket, entry, event, position, entry.agent)
    record = OfferAnswered(**about, agent_id=entry.agent, outcome=outcome)
    return Output(record, key=record.customer_tag)


def overflowed(team: str, ticket: str, entry: QueueEntry, to_team: str, event: Event, position: Position) -> Output:
    """Returns the word that a ticket waited too long."""
    about = _about("overflowed", team, ticket, entry, event, position)
    record = Overflowed(**about, team=team, to_team=to_team, queued_at=entry.eligible_at, reason="waited")
    return Output(record, key=record.customer_tag)


def _about(
    what: str, team: str, ticket: str, entry: QueueEntry, event: Event, position: Position, *whom: str
) -> dict[str, Any]:
    """Returns what every word on a ticket says. `assigned` writes it out: it is said of nearly every ticket."""
    return {
        "event_id": event_id(what, ticket, team, str(position.partition), str(position.offset), *whom),
        "occurred_at": _not_before(entry, event),
        "received_at": event.received_at,
        "customer_tag": ticket.rpartition("-")[0],
        "channel": entry.channel,
        "source": SOURCE,
        "imported": event.imported,
        "causation_depth": event.causation_depth + 1,
        "ticket_id": ticket,
        "answers": entry.ref,
    }


def presence(team: str, agent: str, status: str, reason: str, event: Event, position: Position) -> Output:
    """Returns the presence of an agent that is not as it was reported. The router itself takes nothing from it."""
    cause = str(position.partition), str(position.offset)
    said = PresenceChanged(
        event_id=event_id("timed_out", team, agent, status, *cause),
        occurred_at=event.occurred_at,
        received_at=event.received_at,
        customer_tag="",
        source=SOURCE,
        causation_depth=event.causation_depth + 1,
        agent_id=agent,
        team=team,
        status=status,
        reason=reason,
    )
    return Output(said, key=team)


def _not_before(entry: QueueEntry, event: Event) -> int:
    """Returns when an answer occurred: records may arrive slightly out of order."""
    at, eligible_at = event.occurred_at, entry.eligible_at
    return at if at > eligible_at else eligible_at
