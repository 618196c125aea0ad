"""Decides which team has the ticket, and tells the router what changed.

A solved ticket whose customer scored it low is queued once more, for somebody to follow up (see `follow_up`).
The team is the one that the rules of `teams.yaml` choose, decided when the ticket opens and again until somebody has it or
moved it. The router is told of changes only: `routed_as` remembers what it knows, and `ref` names the decision that it was
told of, so that an answer to an earlier one comes too late (ADR 47).
History has its own agents and is never routed; a live message makes its ticket live (see `thread`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec.structs import replace

from schemas.clock import MICROS
from schemas.events import (
    Assigned,
    AssignmentChanged,
    OfferAnswered,
    Offered,
    Overflowed,
    RoutingUpdate,
    Tick,
    Transferred,
)
from schemas.facts import AssignmentFact
from schemas.identity import event_id
from schemas.skills import asked
from stream_processors.rules.automations import SOURCE
from stream_processors.runtime.processor import Output
from stream_processors.tickets import follow, offers
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.holding import OVERFLOW, ROUTER, holder_of, is_stale
from stream_processors.tickets.lookup import finished_at
from stream_processors.tickets.state import Ticket

__all__ = ["step"]


class QueueEntry(NamedTuple):
    """Holds where a ticket stands with the router.

    `agent` only when busy; `place` only when queued: its priority, and the skills that it asks for.
    """

    action: str
    team: str
    agent: str = ""
    place: str = ""

    def describe(self) -> str:
        return ":".join(self)

    @classmethod
    def read(cls, described: str) -> QueueEntry:
        """Returns the entry that was described so; ids of agents may hold colons. '' for none."""
        action, _, rest = described.partition(":")
        team, _, rest = rest.partition(":")
        agent, _, place = rest.rpartition(":")
        return cls(action, team, agent, place)


def step(context: FoldContext) -> FoldContext:
    """Decide the team, record assignments, tell followers, and tell the router what changed."""
    ticket = context.ticket
    if ticket is None or type(context.event) is Tick:
        return context
    context = _choose_team(context)
    if type(context.event) in _ASSIGNING:
        context = _record_assignment(context)
    assert context.ticket is not None
    if context.ticket.imported:
        return context
    followers, offer = context.ticket.routing.followers, context.ticket.routing.offer
    if offer is not None:
        context = offers.step(context, waits=_wanted(context, context.ticket).action == "queue")
        if offers.is_declined(context):
            return context.send(_update(context, QueueEntry("declined", context.team, offer.agent), ""))
    if followers:
        context = follow.tell(context)
    return _tell_router(context)


def _choose_team(context: FoldContext) -> FoldContext:
    ticket = context.ticket
    assert ticket is not None
    undecided = not ticket.team or (
        ticket.status == "new"
        and not ticket.assignee
        and not ticket.counts.transfers
        and not ticket.imported
        and not ticket.routing.placed
    )
    if not undecided:
        return context
    decision = context.decision
    if decision.team == ticket.team and decision.chosen_by == ticket.routing.rule:
        return context
    return context.on_ticket(team=decision.team, routing=replace(ticket.routing, rule=decision.chosen_by))


def _record_assignment(context: FoldContext) -> FoldContext:
    event, ticket = context.event, context.ticket
    assert ticket is not None
    reason, wait, queued_at = getattr(event, "reason", ""), None, getattr(event, "queued_at", None)
    if isinstance(event, Transferred):
        team, agent = event.to_team, event.to_agent
    elif isinstance(event, AssignmentChanged):
        team, agent = ticket.team, event.to_agent
        reason = "by_hand" if agent not in ("", event.agent_id) else "taken" if agent else "given_back"
        reason = "automation" if event.source == SOURCE else reason
    elif isinstance(event, Overflowed):
        if not _has_moved(context):
            return context
        team, agent, reason = ticket.team, "", OVERFLOW
    elif isinstance(event, Assigned) and not _came_too_late(context, event):
        team, agent = ticket.team, event.agent_id
    elif isinstance(event, OfferAnswered) and event.outcome == "accepted" and _has_it_now(context, event.agent_id):
        assert ticket.routing.offer is not None
        team, agent, reason, queued_at = ticket.team, event.agent_id, ticket.routing.offer.reason, _waits_since(context)
    else:
        return context
    if queued_at is not None and (agent or reason == OVERFLOW):
        wait = max(0, context.now - queued_at) / MICROS
    return context.write(
        AssignmentFact(
            **context.base,
            event_id=event.event_id,
            ticket_id=context.ticket_id,
            team=team,
            agent_id=agent,
            reason=reason,
            wait_seconds=wait,
            team_rule=ticket.routing.rule,
        )
    )


def _has_it_now(context: FoldContext, agent: str) -> bool:
    """Returns true when this event gave the ticket to an agent."""
    ticket, before = context.ticket, context.ticket_before
    return ticket is not None and before is not None and holder_of(ticket) == agent != holder_of(before)


def _waits_since(context: FoldContext) -> int:
    """Returns since when a ticket that waits may be given away."""
    ticket = context.ticket
    assert ticket is not None
    since = ticket.conversation.waiting_since
    return context.now if since is None else since


def _has_moved(context: FoldContext) -> bool:
    """Returns true when this event took the ticket to another team."""
    ticket, before = context.ticket, context.ticket_before
    return ticket is not None and before is not None and ticket.team != before.team


def _came_too_late(context: FoldContext, event: Assigned | Offered | OfferAnswered | Overflowed) -> bool:
    """Judges as `holding` did, by the ticket as this event found it."""
    ticket = context.ticket
    assert ticket is not None
    return is_stale(context.ticket_before or ticket, event)


def _is_refused(context: FoldContext, event: Offered | OfferAnswered | Overflowed) -> bool:
    """Returns true for a word of the router that changed nothing, for it came too late."""
    if isinstance(event, Overflowed):
        return not _has_moved(context)
    return event.source == ROUTER and _came_too_late(context, event)


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
        known = _as_router_knows(context, ticket, event)
    elif isinstance(event, Overflowed | Offered | OfferAnswered) and _is_refused(context, event):
        return _correct_router(context, event)
    assert context.ticket is not None
    wanted = _wanted(context, context.ticket)
    if (described := wanted.describe()) == ticket.routed_as:
        return context
    if known is None:
        known = QueueEntry.read(ticket.routed_as)
    updates = _updates(known, wanted)
    if not updates:
        return context.on_ticket(routed_as=described)
    if not (known.action == wanted.action == "queue" and known.team == wanted.team):
        ref = f"{context.position.partition}.{context.position.offset}"
        context = context.on_ticket(routed_as=described, routing=replace(context.ticket.routing, ref=ref))
    else:  # only its place changes: what the router did under this ref holds
        context = context.on_ticket(routed_as=described)
    return context.send(*(_update(context, entry, preferred) for entry in updates))


def _wanted(context: FoldContext, ticket: Ticket) -> QueueEntry:
    if finished_at(ticket) is not None:
        if ticket.follow_up is None:
            return QueueEntry("done", ticket.team)
        if ticket.follow_up:
            return QueueEntry("busy", ticket.team, ticket.follow_up)
        return _queued(context, ticket.team)
    if ticket.status in ("pending", "hold"):
        return QueueEntry("idle", ticket.team)
    if ticket.assignee:
        return QueueEntry("busy", ticket.team, ticket.assignee)
    return _queued(context, ticket.team)


def _queued(context: FoldContext, team: str) -> QueueEntry:
    ticket = context.ticket
    assert ticket is not None
    return QueueEntry("queue", team, "", "+".join((ticket.priority, *_skills(context))))


def _skills(context: FoldContext) -> list[str]:
    """Returns what the rules ask of the ticket's agent; where it was moved elsewhere, what its team asks."""
    ticket, teams = context.ticket, context.rules.teams
    assert ticket is not None
    if not teams.ask_skills:
        return []
    decision = context.decision
    if decision.team == ticket.team:
        return asked(decision.skills)
    team = teams.teams.get(ticket.team)
    return [] if team is None else asked(team.skills)


def _as_router_knows(context: FoldContext, ticket: Ticket, event: Assigned) -> QueueEntry:
    if event.agent_id:
        return QueueEntry("busy", event.team, event.agent_id)
    return _queued(context, event.team)


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


def _correct_router(context: FoldContext, event: Assigned | Offered | OfferAnswered | Overflowed) -> FoldContext:
    """Says again where the ticket stands, when the router gave away what was no longer its to give."""
    ticket = context.ticket
    assert ticket is not None
    team = getattr(event, "team", ticket.team)
    entry = _wanted(context, ticket) if team == ticket.team else QueueEntry("done", team)
    if entry.action == "queue" and not event.answers:
        return context  # a router that knows no refs takes it for said twice
    return context.send(_update(context, entry, ""))


def _update(context: FoldContext, entry: QueueEntry, preferred: str) -> Output:
    ticket, event = context.ticket, context.event
    assert ticket is not None
    queued: dict[str, Any] = {}
    if entry.action == "queue":
        queued = {
            "eligible_at": _waits_since(context),
            "preferred_agent": preferred or _last_agent(context),
            "avoid_agent": ticket.routing.gave_back,
            "skills": _skills(context),
            "fallback": context.rules.teams.overflows_to(
                entry.team, ticket.language, overflowed=ticket.routing.rule == OVERFLOW
            ),
        }
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
        ref=ticket.routing.ref,
        due_at=min((clock.due_at for clock in ticket.clocks if clock.running), default=None),
        brand=ticket.brand,
        **queued,
    )
    return Output(update, entry.team)


def _last_agent(context: FoldContext) -> str:
    """Returns who had this customer last and is in this team, if that was not too long ago: one person, one journey.

    An agent of whom the roster knows nothing is in the team of the ticket that they had.
    """
    ticket, roster = context.ticket, context.rules.roster
    assert ticket is not None
    team = context.rules.teams.teams.get(ticket.team)
    window = None if team is None else team.affinity_micros(ticket.channel)
    for each in (ticket, *reversed(context.customer.tickets)):
        if not each.assignees or (each is not ticket and each.number == ticket.number):
            continue
        agent = each.assignees[-1]
        if agent == ticket.routing.gave_back:
            continue
        works_here = roster.works_in(agent, ticket.team)
        if not (each.team == ticket.team if works_here is None else works_here):
            continue
        recent = each is ticket or window is None or context.now - each.updated_at <= window
        if recent and roster.at_work(agent, context.now):
            return agent
    return ""


_ASSIGNING = frozenset((Assigned, AssignmentChanged, OfferAnswered, Overflowed, Transferred))
