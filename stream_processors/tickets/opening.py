"""Puts a contact on the ticket that was found for it, or opens one."""

from __future__ import annotations

from msgspec.structs import replace

from schemas.errors import Refused
from schemas.events import PRIORITIES, UNVERIFIED, CallEnded, MessageReceived
from schemas.identity import customer_tag
from stream_processors.runtime.processor import Output
from stream_processors.tickets import trust
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.lookup import finished_at
from stream_processors.tickets.state import Customer, Ticket, TicketRequest

__all__ = ["MOST_TICKETS", "awaits_answer", "join_or_open"]

#: Tickets kept per customer. Beyond this many unsolved ones, a message joins the newest instead of opening another; those
#: that are answered elsewhere than at the customer's own address count apart, and so do those of each brand, while all
#: brands together have no more than `MOST_OF_ALL_BRANDS`: a state of thousands would be written with every message.
MOST_TICKETS, MOST_OF_ALL_BRANDS = 50, 500
KEPT_UNANSWERED = 20


def join_or_open(
    context: FoldContext, event: MessageReceived | CallEnded, found: Ticket | None, at: int
) -> FoldContext:
    """Attaches the ticket that was found; without one opens a ticket, or forwards what belongs to somebody else."""
    if found is not None:
        return context.with_ticket(found)
    if (
        context.customer.customer_id != event.customer_id
        and (own := customer_tag(event.customer_id)) != event.customer_tag
    ):
        return _forward(context, event, own)
    if (newest := _newest_of_too_many(context, event)) is not None:
        return context.with_ticket(newest)
    return _open(context, event, at)


def _forward(context: FoldContext, event: MessageReceived | CallEnded, own: str) -> FoldContext:
    """Writes a contact whose sender referred to somebody else's ticket, which is not there, to the sender's own log."""
    moved = replace(event, customer_tag=own, ticket_ref="", causation_depth=event.causation_depth + 1)
    return context.replace(forwarded=True).send(Output(moved, own))


def _newest_of_too_many(context: FoldContext, event: MessageReceived | CallEnded) -> Ticket | None:
    """Returns the ticket that a contact joins where too many are unsolved: one that is answered where the contact is.

    Who begins chats with the address of somebody else has as many as the customer, and apart from them: neither uses up
    the other's, nor reads what is answered there.

    Raises:
        Refused: `too_many_tickets`, there are too many and none is answered there.
    """
    customer = context.customer
    if len(customer.tickets) < MOST_TICKETS:
        return None
    brands, brand = context.rules.brands, context.brand_of_event
    own = trust.reaches_sender(event.customer_id, event)
    of_all = [
        ticket for ticket in customer.tickets if finished_at(ticket) is None and trust.is_own(customer, ticket) == own
    ]
    unsolved = [ticket for ticket in of_all if brands.slug_of(ticket.brand) == brand]
    if not unsolved or (len(unsolved) < MOST_TICKETS and len(of_all) < MOST_OF_ALL_BRANDS):
        return None
    there = next((ticket for ticket in reversed(unsolved) if ticket.request.address == event.address), None)
    if there is None and not own:
        raise Refused("too_many_tickets", f"{len(unsolved)} tickets wait for an answer elsewhere than at this address")
    return there or unsolved[-1]


def _open(context: FoldContext, event: MessageReceived | CallEnded, at: int) -> FoldContext:
    number = context.customer.next_number
    channel = event.channel
    request, priority = _request(context.customer, event), "normal"
    if isinstance(event, MessageReceived):
        request = replace(request, subject=event.subject, time_zone=event.time_zone, public=event.public)
        priority = event.priority if event.priority in PRIORITIES else priority
    elif event.outcome == "voicemail" or not channel:
        channel = "voicemail" if event.outcome == "voicemail" else "phone"
    ticket = Ticket(
        number=number,
        channel=channel,
        created_at=at,
        priority=priority,
        language=event.language,
        imported=event.imported,
        updated_at=context.now,
        request=request,
        brand=context.brand_of_event,
    )
    customer = replace(context.customer, customer_id=event.customer_id, next_number=number + 1)
    return context.replace(customer=customer, ticket=ticket, opened=True)


def _request(customer: Customer, event: MessageReceived | CallEnded) -> TicketRequest:
    verified = event.verified if trust.may_be_told(customer, event) else UNVERIFIED
    return TicketRequest(address=event.address, verified=verified)


def awaits_answer(ticket: Ticket, since: int) -> Ticket:
    """Returns the ticket with a message that wants an answer; a solved ticket reopens."""
    unanswered = tuple(sorted((*ticket.conversation.unanswered, since)))
    if len(unanswered) > KEPT_UNANSWERED:
        unanswered = (*unanswered[: KEPT_UNANSWERED - 1], unanswered[-1])
    conversation = replace(ticket.conversation, unanswered=unanswered, waiting_since=unanswered[0])
    if ticket.status == "solved":
        counts = replace(ticket.counts, reopens=ticket.counts.reopens + 1)
        return replace(ticket, status="open", episode=ticket.episode + 1, counts=counts, conversation=conversation)
    status = "open" if ticket.status in ("pending", "hold") else ticket.status
    return replace(ticket, status=status, conversation=conversation)
