"""Follows the offers of a ticket to agents, from the router's word to the agent's (ADR 51).

| what came                                     | the open offer is then                                   |
|-----------------------------------------------|----------------------------------------------------------|
| its agent accepts                             | `accepted`                                               |
| its agent declines                            | `declined`                                               |
| the router: nobody answered, or they are gone | `missed`, `withdrawn`                                    |
| anything else takes the ticket from the queue | `accepted` if its agent did or has it, else `withdrawn`  |

Who accepts when the offer is over has the ticket all the same, while it waits in the team of the offer and is offered to nobody
else. Otherwise the answer is `late`: a fact, and nothing more.

The order on the ticket's own log decides, no clock: an answer that comes before the router's word was in time. While it is
offered the ticket waits on; it is nobody's until its agent accepts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from schemas.errors import Refused
from schemas.events import Event, OfferAnswered, Offered
from schemas.facts import OfferFact
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.holding import ROUTER, given_to, holder_of, is_stale
from stream_processors.tickets.observations import OfferEnded
from stream_processors.tickets.state import Ticket
from stream_processors.tickets.ticket_state import TicketOffer

__all__ = ["HANDLERS", "is_declined", "step"]

#: The agents of former offers that a ticket remembers: their answers may still come.
KEPT_OFFERED = 20
_FROM_AGENTS, _FROM_ROUTER = ("accepted", "declined"), ("missed", "withdrawn")


def _offered(context: FoldContext, ticket: Ticket, event: Offered) -> FoldContext:
    if is_stale(ticket, event):
        return context
    known = ticket.routing.offer
    if known is not None and known.outcome == "open" and known.agent == event.agent_id:
        offer = replace(known, expires_at=event.expires_at)
    else:
        before = () if known is None else (*(each for each in known.before if each != event.agent_id), known.agent)
        offer = TicketOffer(
            offer_id=event.event_id,
            agent=event.agent_id,
            team=event.team,
            offered_at=context.now,
            expires_at=event.expires_at,
            reason=event.reason,
            before=before[-KEPT_OFFERED:],
        )
    return context.on_ticket(routing=replace(ticket.routing, offer=offer))


def _answered(context: FoldContext, ticket: Ticket, event: OfferAnswered) -> FoldContext:
    """Takes an agent's answer, or the router's word that none came.

    Raises:
        Refused: `bad_outcome`; `not_offered` for an agent to whom this ticket was never offered.
    """
    by_router, offer = event.source == ROUTER, ticket.routing.offer
    if event.outcome not in (_FROM_ROUTER if by_router else _FROM_AGENTS):
        raise Refused("bad_outcome", f"{event.outcome[:40]!r} is not one of {', '.join(_FROM_AGENTS)}")
    if offer is None or event.agent_id not in (offer.agent, *offer.before):
        if by_router:
            return context
        raise Refused("not_offered", f"{event.ticket_id} was not offered to {event.agent_id[:40]!r}")
    is_open = offer.outcome == "open" and offer.agent == event.agent_id
    if event.outcome == "accepted":
        return _accepted(context, ticket, event) if is_open or _may_still_have_it(ticket, event) else context
    if not is_open or (by_router and is_stale(ticket, event)):
        return context
    return context.on_ticket(routing=replace(ticket.routing, offer=replace(offer, outcome=event.outcome)))


def _accepted(context: FoldContext, ticket: Ticket, event: OfferAnswered) -> FoldContext:
    routing = ticket.routing
    assert routing.offer is not None
    if routing.offer.outcome == "open":
        routing = replace(routing, offer=replace(routing.offer, outcome="accepted"))
    return given_to(context, replace(ticket, routing=routing), event.agent_id)


def _may_still_have_it(ticket: Ticket, event: OfferAnswered) -> bool:
    """Returns true while the ticket waits in the team of the offer and is offered to nobody else."""
    offer = ticket.routing.offer
    assert offer is not None
    waits = ticket.routed_as.startswith("queue:") and not holder_of(ticket)
    return waits and offer.outcome != "open" and offer.agent == event.agent_id and offer.team == ticket.team


def is_declined(context: FoldContext) -> bool:
    """Returns true when this event declined the open offer: the router is told, who has the ticket in the agent's hands."""
    ticket, before, event = context.ticket, context.ticket_before, context.event
    if type(event) is not OfferAnswered or event.outcome != "declined" or ticket is None or before is None:
        return False
    return ticket.routing.offer is not before.routing.offer


def step(context: FoldContext, *, waits: bool) -> FoldContext:
    """Ends an open offer whose ticket does not wait for it any more; writes what changed. Only for a ticket with an offer."""
    ticket, before = context.ticket, context.ticket_before
    assert ticket is not None and ticket.routing.offer is not None
    offer = ticket.routing.offer
    if offer.outcome == "open" and not (waits and offer.team == ticket.team):
        took = offer.agent in (holder_of(ticket), getattr(context.event, "agent_id", ""))
        offer = replace(offer, outcome="accepted" if took else "withdrawn")
        context = context.on_ticket(routing=replace(ticket.routing, offer=offer))
    known = None if before is None else before.routing.offer
    event = context.event
    if type(event) is OfferAnswered and event.outcome == "accepted" and holder_of(ticket) != event.agent_id:
        context = context.write(
            OfferFact(
                **context.base,
                offer_id=event.event_id,
                ticket_id=context.ticket_id,
                team=ticket.team,
                agent_id=event.agent_id,
                outcome="late",
                offered_at=context.now,
                ended_at=context.now,
                channel=ticket.channel,
            )
        )
        context = context.observe(OfferEnded, "late")
    if known == offer:
        return context
    if offer.outcome != "open":
        context = context.observe(OfferEnded, offer.outcome)
    return context.write(
        OfferFact(
            **context.base,
            offer_id=offer.offer_id,
            ticket_id=context.ticket_id,
            team=offer.team,
            agent_id=offer.agent,
            outcome=offer.outcome,
            offered_at=offer.offered_at,
            expires_at=offer.expires_at,
            ended_at=None if offer.outcome == "open" else context.now,
            channel=ticket.channel,
            reason=offer.reason,
        )
    )


HANDLERS: dict[type[Event], Callable[[FoldContext, Ticket, Any], FoldContext]] = {
    Offered: _offered,
    OfferAnswered: _answered,
}
