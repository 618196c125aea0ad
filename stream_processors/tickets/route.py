"""Decides which team has the ticket, and tells the router what changed.

A solved ticket whose customer scored it low is queued once more, for somebody to follow up (see `follow_up`).
The team is the owner of the ticket's why-tags (else the fallback), decided when the ticket opens and again until
somebody has it or moved it. The router is told of changes only: `routed_as` remembers what it knows.
History has its own agents and is never routed; a live message makes its ticket live (see `thread`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from schemas.clock import MICROS
from schemas.events import Assigned, RoutingUpdate, Tick, Transferred
from schemas.facts import AssignmentFact
from schemas.identity import event_id
from stream_processors.runtime.processor import Output
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.lookup import finished_at
from stream_processors.tickets.progress import ROUTER, is_stale
from stream_processors.tickets.state import Ticket

__all__ = ["step"]


class QueueEntry(NamedTuple):
    """Holds where a ticket stands with the router; `agent` only when busy, `priority` only when queued."""

    action: str
    team: str
    agent: str = ""
    priority: str = ""

    def describe(self) -> str:
        return ":".join(self)

    @classmethod
    def read(cls, described: str) -> QueueEntry:
        """Returns the entry that was described so; ids of agents may hold colons. '' for none."""
        action, _, rest = described.partition(":")
        team, _, rest = rest.partition(":")
        agent, _, priority = rest.rpartition(":")
        return cls(action, team, agent, priority)


def step(context: FoldContext) -> FoldContext:
    """Decide the team, record assignments, and tell the router what changed."""
    ticket = context.ticket
    if ticket is None or type(context.event) is Tick:
        return context
    context = _record_assignment(_choose_team(context))
    return context if context.ticket is None or context.ticket.imported else _tell_router(context)


def _choose_team(context: FoldContext) -> FoldContext:
    ticket = context.ticket
    assert ticket is not None
    undecided = not ticket.team or (
        ticket.status == "new" and not ticket.assignee and not ticket.counts.transfers and not ticket.imported
    )
    if not undecided:
        return context
    rules = context.rules
    team = rules.teams.choose(rules.taxonomy.owner(ticket.tags), ticket.language)
    return context if team == ticket.team else context.on_ticket(team=team)


def _record_assignment(context: FoldContext) -> FoldContext:
    event, ticket = context.event, context.ticket
    assert ticket is not None
    if isinstance(event, Transferred):
        team, agent, wait = event.to_team, event.to_agent, None
    elif isinstance(event, Assigned) and not _came_too_late(context, event):
        team, agent = ticket.team, event.agent_id
        wait = None if event.queued_at is None or not agent else max(0, context.now - event.queued_at) / MICROS
    else:
        return context
    return context.write(
        AssignmentFact(
            **context.base,
            event_id=event.event_id,
            ticket_id=context.ticket_id,
            team=team,
            agent_id=agent,
            reason=event.reason,
            wait_seconds=wait,
        )
    )


def _came_too_late(context: FoldContext, event: Assigned) -> bool:
    """Judges as `progress` did, by the ticket as this event found it."""
    ticket = context.ticket
    assert ticket is not None
    return is_stale(context.ticket_before or ticket, event)


def _tell_router(context: FoldContext) -> FoldContext:
    ticket, event = context.ticket, context.event
    assert ticket is not None
    known, preferred = None, ""
    if context.reopened and ticket.assignee:
        preferred = ticket.assignee
        context = context.on_ticket(assignee="")
    elif isinstance(event, Assigned) and event.source == ROUTER:
        if _came_too_late(context, event):
            return _correct_router(context, event)
        known = _as_router_knows(ticket, event)
    assert context.ticket is not None
    wanted = _wanted(context.ticket)
    if wanted.describe() == ticket.routed_as:
        return context
    if known is None:
        known = QueueEntry.read(ticket.routed_as)
    updates = _updates(known, wanted)
    outputs = [_update(context, entry, preferred) for entry in updates]
    return context.on_ticket(routed_as=wanted.describe()).send(*outputs)


def _wanted(ticket: Ticket) -> QueueEntry:
    if finished_at(ticket) is not None:
        if ticket.follow_up is None:
            return QueueEntry("done", ticket.team)
        if ticket.follow_up:
            return QueueEntry("busy", ticket.team, ticket.follow_up)
        return QueueEntry("queue", ticket.team, "", ticket.priority)
    if ticket.status in ("pending", "hold"):
        return QueueEntry("idle", ticket.team)
    if ticket.assignee:
        return QueueEntry("busy", ticket.team, ticket.assignee)
    return QueueEntry("queue", ticket.team, "", ticket.priority)


def _as_router_knows(ticket: Ticket, event: Assigned) -> QueueEntry:
    if event.agent_id:
        return QueueEntry("busy", event.team, event.agent_id)
    return QueueEntry("queue", event.team, "", ticket.priority)


def _updates(known: QueueEntry, wanted: QueueEntry) -> list[QueueEntry]:
    if known == wanted:
        return []
    updates = []
    if known.action in ("queue", "busy", "idle") and known.team != wanted.team:
        updates.append(QueueEntry("done", known.team))
        known = QueueEntry("", "")
    elif known.action == "busy" and wanted.action == "queue":
        updates.append(QueueEntry("idle", known.team))  # out of the agent's hands first
    if known.action or wanted.action in ("queue", "busy"):
        updates.append(wanted)
    return updates


def _correct_router(context: FoldContext, event: Assigned) -> FoldContext:
    """Says again where the ticket stands, when the router gave away what was no longer its to give."""
    ticket = context.ticket
    assert ticket is not None
    entry = _wanted(ticket) if event.team == ticket.team else QueueEntry("done", event.team)
    if entry.action == "queue":
        return context
    return context.send(_update(context, entry, ""))


def _update(context: FoldContext, entry: QueueEntry, preferred: str) -> Output:
    ticket, event = context.ticket, context.event
    assert ticket is not None
    queued: dict[str, Any] = {}
    if entry.action == "queue":
        since = ticket.conversation.waiting_since if ticket.conversation.waiting_since is not None else context.now
        queued = {"eligible_at": since, "preferred_agent": preferred or _last_agent(context)}
    update = RoutingUpdate(
        event_id=event_id("routing", context.ticket_id, str(context.position.offset), entry.action),
        occurred_at=context.now,
        received_at=event.received_at,
        customer_tag=event.customer_tag,
        channel=ticket.channel,
        source="tickets",
        causation_depth=event.causation_depth,
        ticket_id=context.ticket_id,
        team=entry.team,
        action=entry.action,
        priority=ticket.priority,
        language=ticket.language,
        agent_id=entry.agent,
        partition=context.position.partition,
        version=context.position.offset,
        **queued,
    )
    return Output(update, entry.team)


def _last_agent(context: FoldContext) -> str:
    """Returns who had this customer last in this team: one person, one journey."""
    ticket = context.ticket
    assert ticket is not None
    for each in (ticket, *reversed(context.customer.tickets)):
        if each.assignees and each.team == ticket.team:
            return each.assignees[-1]
    return ""
