"""Changes who has a ticket: by the router's answers, by transfers, and by what agents do by hand.

The ticket's own partition is the only place where a ticket changes hands (ADR 47). The router proposes, and a proposal that
was made before the ticket decided something else comes too late: it changes nothing here, and `route` tells the router.

By hand an agent may take a ticket from the queue, give one to anybody of its team, or give it back; it may exceed what
the agent takes. Two agents who take the same ticket do not both get it: the second is refused, unless they name in
`from_agent` from whom they take it.

A transfer that arrives late does not take the ticket from the team that it was transferred to after it. Whoever had a
ticket that is transferred follows it from then on: they are told what becomes of it (see `follow`).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from msgspec.structs import replace

from schemas.errors import Refused
from schemas.events import (
    PRIORITIES,
    Assigned,
    AssignmentChanged,
    Event,
    FollowChanged,
    OfferAnswered,
    Offered,
    Overflowed,
    PriorityChanged,
    Transferred,
)
from stream_processors.rules.automations import SOURCE
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.lookup import finished_at
from stream_processors.tickets.state import Ticket
from stream_processors.tickets.ticket_state import TicketRouting

__all__ = ["HANDLERS", "KEPT_FOLLOWERS", "ROUTER", "given_to", "held_by", "holder_of", "is_stale"]

#: `source` of the assignments that the routing agent writes.
ROUTER = "routing"
KEPT_ASSIGNEES = 20
#: The reason of the router's give-back of a ticket whose agent did nothing.
LEFT_ALONE = "left_alone"
#: Agents who follow one ticket.
KEPT_FOLLOWERS = 20
#: How a team was chosen that no rule chose, as `team_rule` of the ticket's fact says it.
TRANSFER, OVERFLOW = "transfer", "overflow"


def is_stale(ticket: Ticket, event: Assigned | Offered | OfferAnswered | Overflowed) -> bool:
    """Returns true when this assignment comes too late: the ticket is finished, with another team, or in other hands.

    A finished ticket is still handed out while a low score of it waits for somebody to follow up.

    The router hands out what it was last told to queue, so its answer counts while that is the last it was told: an
    answer names the `ref` of what it answers. One of a router that names none is judged by what the ticket told last.
    """
    if finished_at(ticket) is not None and ticket.follow_up is None:
        return True
    if not isinstance(event, OfferAnswered) and ticket.team and event.team != ticket.team:
        return True
    if event.source != ROUTER:
        return False
    if event.answers and ticket.routing.ref and event.answers != ticket.routing.ref:
        return True
    told = ticket.routed_as.partition(":")[0]
    if not isinstance(event, Assigned):
        return told != "queue"
    return told != "queue" if event.agent_id else told not in ("queue", "busy")


def held_by(ticket: Ticket, agent: str, at: int) -> Ticket:
    """Returns the ticket in the hands of an agent."""
    assignees, milestones = ticket.assignees, ticket.milestones
    if agent not in assignees:
        assignees = (*assignees, agent)[-KEPT_ASSIGNEES:]
    if milestones.first_assigned_at is None:
        milestones = replace(milestones, first_assigned_at=at)
    if ticket.routing.gave_back not in ("", agent):
        ticket = replace(ticket, routing=replace(ticket.routing, gave_back=""))
    return replace(ticket, assignee=agent, assignees=assignees, milestones=milestones)


def holder_of(ticket: Ticket) -> str:
    """Returns who has the ticket, or the follow-up of its low score; '' for nobody."""
    return ticket.assignee if finished_at(ticket) is None else ticket.follow_up or ""


def given_to(context: FoldContext, ticket: Ticket, agent: str) -> FoldContext:
    """Gives the ticket to an agent. Of a finished one it is not the ticket that is given, but the follow-up of its low score."""
    if finished_at(ticket) is not None:
        return context.replace(ticket=replace(ticket, follow_up=agent))
    held = held_by(ticket, agent, context.now)
    status = "open" if ticket.status == "new" else ticket.status
    return context.replace(ticket=replace(held, status=status, updated_at=context.now))


def _left(routing: TicketRouting, agent: str) -> TicketRouting:
    """Returns that of a ticket that this agent had and gave back or away."""
    return replace(routing, gave_back=agent) if agent else routing


# -- the router -------------------------------------------------------------------------------------------------------


def _assigned(context: FoldContext, ticket: Ticket, event: Assigned) -> FoldContext:
    if is_stale(ticket, event):
        return context
    if finished_at(ticket) is None and not event.agent_id:
        left_alone = ticket.assignee if event.reason == LEFT_ALONE else ""
        return context.on_ticket(assignee="", routing=_left(ticket.routing, left_alone), updated_at=context.now)
    return given_to(context, ticket, event.agent_id)


def _overflowed(context: FoldContext, ticket: Ticket, event: Overflowed) -> FoldContext:
    """Moves a ticket that waited too long; an agent's answer that came before keeps it where it is.

    What waits in a team that is gone goes to whom the rules of now name instead.
    """
    teams, to_team = context.rules.teams, event.to_team
    if event.team not in teams:
        to_team = teams.fallback_of(event.team, ticket.language) or teams.fallback
    if is_stale(ticket, event) or to_team not in teams:
        return context
    routing = replace(ticket.routing, rule=OVERFLOW, placed=True)
    return context.on_ticket(team=to_team, routing=routing, updated_at=context.now)


# -- transfers --------------------------------------------------------------------------------------------------------


def _transferred(context: FoldContext, ticket: Ticket, event: Transferred) -> FoldContext:
    if event.to_team not in context.rules.teams:
        raise Refused("unknown_team", f"{event.to_team!r} is not a team")
    _require_unfinished(ticket, event.ticket_id, "transferred")
    _require_known(context, event.to_agent)
    transfers = ticket.counts.transfers
    moved = replace(ticket, counts=replace(ticket.counts, transfers=transfers + 1), updated_at=context.now)
    if transfers and context.now < _with_its_team_since(ticket):
        return context.replace(ticket=moved)  # it has been transferred again since
    former = ticket.assignee or ("" if event.source == SOURCE else event.agent_id)
    routing = _left(replace(ticket.routing, rule=TRANSFER, placed=True), ticket.assignee)
    if former and former != event.to_agent and not event.imported:
        routing = replace(routing, followers=_with_follower(routing.followers, former))
    moved = replace(moved, team=event.to_team, assignee="", routing=routing)
    return context.replace(ticket=held_by(moved, event.to_agent, context.now) if event.to_agent else moved)


def _with_its_team_since(ticket: Ticket) -> int:
    """Returns since when (micros) the ticket has been with the team that has it."""
    since = ticket.created_at
    for before, change in pairwise(ticket.sla.status_history):
        if change.team == ticket.team != before.team:
            since = change.at
    return since


# -- by hand ----------------------------------------------------------------------------------------------------------


def _given(context: FoldContext, ticket: Ticket, event: AssignmentChanged) -> FoldContext:
    """Gives the ticket, or the follow-up of its low score, to an agent or back to the queue."""
    follows_up = finished_at(ticket) is not None and ticket.follow_up is not None
    if not follows_up:
        _require_unfinished(ticket, event.ticket_id, "assigned")
    _require_known(context, event.to_agent)
    holder = (ticket.follow_up or "") if follows_up else ticket.assignee
    takes = event.to_agent == event.agent_id
    if holder and takes and holder not in (event.to_agent, event.from_agent):
        raise Refused("stale_assignment", f"{event.ticket_id} is with {holder!r}: name them in from_agent to take it")
    if event.from_agent and event.from_agent != holder:
        raise Refused("stale_assignment", f"{event.ticket_id} is with {holder or 'nobody'!r}, not {event.from_agent!r}")
    if not follows_up and not event.to_agent:
        return context.on_ticket(assignee="", routing=_left(ticket.routing, holder), updated_at=context.now)
    return given_to(context, ticket, event.to_agent)


def _prioritised(context: FoldContext, ticket: Ticket, event: PriorityChanged) -> FoldContext:
    if event.priority not in PRIORITIES:
        raise Refused("bad_priority", f"{event.priority!r} is not one of {', '.join(PRIORITIES)}")
    _require_unfinished(ticket, event.ticket_id, "given another priority")
    by_rule = event.source == SOURCE
    if by_rule and ticket.routing.priority_set:
        raise Refused("set_by_person", f"the priority of {event.ticket_id} was set by a person")
    routing = ticket.routing if by_rule else replace(ticket.routing, priority_set=True)
    return context.on_ticket(priority=event.priority, routing=routing, updated_at=context.now)


def _followed(context: FoldContext, ticket: Ticket, event: FollowChanged) -> FoldContext:
    followers = ticket.routing.followers
    if event.on:
        if ticket.status == "closed":
            raise Refused("closed_ticket", f"{event.ticket_id} is closed for good: nothing becomes of it any more")
        if event.agent_id not in followers and len(followers) >= KEPT_FOLLOWERS:
            raise Refused("too_many_followers", f"{event.ticket_id} has {KEPT_FOLLOWERS} followers")
        followers = _with_follower(followers, event.agent_id)
    else:
        followers = tuple(each for each in followers if each != event.agent_id)
    return context.on_ticket(routing=replace(ticket.routing, followers=followers))


def _with_follower(followers: tuple[str, ...], agent: str) -> tuple[str, ...]:
    return followers if agent in followers else (*followers, agent)[-KEPT_FOLLOWERS:]


def _require_unfinished(ticket: Ticket, name: str, what: str) -> None:
    if finished_at(ticket) is not None:
        raise Refused("finished_ticket", f"{name} is {ticket.status}: it cannot be {what}")


def _require_known(context: FoldContext, agent: str) -> None:
    """Refuses an agent whom the roster does not name, where it says that it names all."""
    if agent and not context.rules.roster.admits(agent):
        raise Refused("unknown_agent", f"{agent!r} is not in agents.yaml, which is strict")


HANDLERS: dict[type[Event], Callable[[FoldContext, Ticket, Any], FoldContext]] = {
    Assigned: _assigned,
    Overflowed: _overflowed,
    Transferred: _transferred,
    AssignmentChanged: _given,
    PriorityChanged: _prioritised,
    FollowChanged: _followed,
}
