"""route: which team has the ticket, and what the router must know of it.

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
from stream_processors.tickets.context import Turn
from stream_processors.tickets.progress import ROUTER, is_stale
from stream_processors.tickets.state import Ticket
from stream_processors.tickets.thread import finished_at

__all__ = ["step"]


class Standing(NamedTuple):
    """Where a ticket stands with the router; `agent` only when busy, `priority` only when queued."""

    action: str
    team: str
    agent: str = ""
    priority: str = ""

    def told(self) -> str:
        return ":".join(self)


def step(turn: Turn) -> Turn:
    """Decide the team, record assignments, and tell the router what changed."""
    ticket = turn.ticket
    if ticket is None or type(turn.event) is Tick:
        return turn
    turn = _record_assignment(_choose_team(turn))
    return turn if turn.ticket is None or turn.ticket.imported else _tell_router(turn)


def _choose_team(turn: Turn) -> Turn:
    ticket = turn.ticket
    assert ticket is not None
    undecided = not ticket.team or (
        ticket.status == "new" and not ticket.assignee and not ticket.transfers and not ticket.imported
    )
    if not undecided:
        return turn
    rules = turn.rules
    team = rules.teams.choose(rules.taxonomy.owner(ticket.tags), ticket.language)
    return turn if team == ticket.team else turn.on_ticket(team=team)


def _record_assignment(turn: Turn) -> Turn:
    event, ticket = turn.event, turn.ticket
    assert ticket is not None
    if isinstance(event, Transferred):
        team, agent, wait = event.to_team, event.to_agent, None
    elif isinstance(event, Assigned) and not _came_too_late(turn, event):
        team, agent = ticket.team, event.agent_id
        wait = None if event.queued_at is None or not agent else max(0, turn.now - event.queued_at) / MICROS
    else:
        return turn
    return turn.write(
        AssignmentFact(
            **turn.base,
            event_id=event.event_id,
            ticket_id=turn.ticket_id,
            team=team,
            agent_id=agent,
            reason=event.reason,
            wait_seconds=wait,
        )
    )


def _came_too_late(turn: Turn, event: Assigned) -> bool:
    """As `progress` judged it: by the ticket as this event found it."""
    ticket = turn.ticket
    assert ticket is not None
    before = next((each for each in turn.before.tickets if each.number == ticket.number), ticket)
    return is_stale(before, event)


def _tell_router(turn: Turn) -> Turn:
    ticket, event = turn.ticket, turn.event
    assert ticket is not None
    known = Standing(*ticket.routed_as.split(":")) if ticket.routed_as else Standing("", "")
    preferred = ""
    if turn.reopened and ticket.assignee:
        preferred = ticket.assignee
        turn = turn.on_ticket(assignee="")
    elif isinstance(event, Assigned) and event.source == ROUTER:
        if _came_too_late(turn, event):
            return _correct_router(turn, event)
        known = _as_router_knows(ticket, event)
    assert turn.ticket is not None
    wanted = _wanted(turn.ticket)
    if wanted.told() == ticket.routed_as:
        return turn
    updates = _updates(known, wanted)
    outputs = [_update(turn, standing, preferred) for standing in updates]
    return turn.on_ticket(routed_as=wanted.told()).but(outputs=(*turn.outputs, *outputs))


def _wanted(ticket: Ticket) -> Standing:
    if finished_at(ticket) is not None:
        if ticket.follow_up is None:
            return Standing("done", ticket.team)
        if ticket.follow_up:
            return Standing("busy", ticket.team, ticket.follow_up)
        return Standing("queue", ticket.team, "", ticket.priority)
    if ticket.status in ("pending", "hold"):
        return Standing("idle", ticket.team)
    if ticket.assignee:
        return Standing("busy", ticket.team, ticket.assignee)
    return Standing("queue", ticket.team, "", ticket.priority)


def _as_router_knows(ticket: Ticket, event: Assigned) -> Standing:
    if event.agent_id:
        return Standing("busy", event.team, event.agent_id)
    return Standing("queue", event.team, "", ticket.priority)


def _updates(known: Standing, wanted: Standing) -> list[Standing]:
    if known == wanted:
        return []
    updates = []
    if known.action in ("queue", "busy", "idle") and known.team != wanted.team:
        updates.append(Standing("done", known.team))
        known = Standing("", "")
    elif known.action == "busy" and wanted.action == "queue":
        updates.append(Standing("idle", known.team))  # out of the agent's hands first
    if known.action or wanted.action in ("queue", "busy"):
        updates.append(wanted)
    return updates


def _correct_router(turn: Turn, event: Assigned) -> Turn:
    """The router gave away what was no longer its to give: say again where the ticket stands."""
    ticket = turn.ticket
    assert ticket is not None
    standing = _wanted(ticket) if event.team == ticket.team else Standing("done", event.team)
    if standing.action == "queue":
        return turn
    return turn.but(outputs=(*turn.outputs, _update(turn, standing, "")))


def _update(turn: Turn, standing: Standing, preferred: str) -> Output:
    ticket, event = turn.ticket, turn.event
    assert ticket is not None
    queued: dict[str, Any] = {}
    if standing.action == "queue":
        since = ticket.waiting_since if ticket.waiting_since is not None else turn.now
        queued = {"eligible_at": since, "preferred_agent": preferred or _last_agent(turn)}
    update = RoutingUpdate(
        event_id=event_id("routing", turn.ticket_id, str(turn.position.offset), standing.action),
        occurred_at=turn.now,
        received_at=event.received_at,
        customer_tag=event.customer_tag,
        channel=ticket.channel,
        source="tickets",
        causation_depth=event.causation_depth,
        ticket_id=turn.ticket_id,
        team=standing.team,
        action=standing.action,
        priority=ticket.priority,
        language=ticket.language,
        agent_id=standing.agent,
        partition=turn.position.partition,
        version=turn.position.offset,
        **queued,
    )
    return Output(update, standing.team)


def _last_agent(turn: Turn) -> str:
    """Who had this customer last in this team: one person, one journey."""
    ticket = turn.ticket
    assert ticket is not None
    for each in (ticket, *reversed(turn.customer.tickets)):
        if each.assignees and each.team == ticket.team:
            return each.assignees[-1]
    return ""
