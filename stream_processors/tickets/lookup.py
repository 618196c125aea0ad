"""Finds the ticket that an event is about, among those that its customer has."""

from __future__ import annotations

from schemas.events import CallAnswered, CallEnded, MessageReceived
from schemas.identity import split_ticket_id
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.state import Customer, Ticket

__all__ = ["by_conversation", "by_reference", "find", "finished_at", "heard_of", "only_by_address", "says_history"]

#: Channels on which a customer goes on talking without referring to anything.
CONVERSATIONAL = frozenset(("chat", "sms", "social", "phone", "voicemail", "bot"))


def finished_at(ticket: Ticket) -> int | None:
    """Returns when the ticket was solved or closed; None while somebody still works on it."""
    if ticket.status in ("solved", "closed"):
        return ticket.milestones.last_solved_at if ticket.milestones.last_solved_at is not None else ticket.updated_at
    return None


def heard_of(ticket: Ticket, event: CallEnded) -> bool:
    """Returns true when a `CallAnswered` told of the answer already."""
    answered_call = ticket.conversation.answered_call
    return answered_call is not None and answered_call[0] == event.call_id


def find(customer: Customer, reference: str, tag: str) -> Ticket | None:
    """Returns the ticket of this id, if the customer (with this tag) has it."""
    parts = split_ticket_id(reference)
    if parts is None:
        return None
    own, number = parts[0] == tag, parts[1]
    for ticket in customer.tickets:
        if ticket.adopted is None:
            if own and ticket.number == number:
                return ticket
        elif ticket.adopted.ticket_id == reference:
            return ticket
    return None


def by_reference(context: FoldContext, event: MessageReceived | CallEnded) -> Ticket | None:
    """Returns the ticket that a contact names, or that it answers or refers to within its brand."""
    customer = context.customer
    if not customer.tickets:
        return None
    if event.ticket_ref and (found := find(customer, event.ticket_ref, event.customer_tag)) is not None:
        return found
    if isinstance(event, CallEnded):
        return None
    if event.in_reply_to or event.references:
        answered = {*event.references, event.in_reply_to}
        for ticket in reversed(customer.tickets):
            if not answered.isdisjoint(ticket.conversation.message_ids) and _is_of_brand(context, ticket):
                return ticket
    if event.thread_id:
        for ticket in reversed(customer.tickets):
            if (
                event.thread_id in ticket.conversation.thread_ids
                and ticket.channel == event.channel
                and _is_of_brand(context, ticket)
            ):
                return ticket
    return None


def by_conversation(context: FoldContext, event: MessageReceived | CallEnded | CallAnswered) -> Ticket | None:
    """Returns the newest recent ticket of this channel, address and brand, an unsolved one first."""
    if event.channel not in CONVERSATIONAL or _tells_conversations_apart(event):
        return None
    recent = [
        ticket
        for ticket in context.customer.tickets
        if _same_channel(ticket.channel, event.channel)
        and ticket.request.address == event.address
        and _is_of_brand(context, ticket)
        and (not isinstance(event, MessageReceived) or ticket.request.public == event.public)
        and context.now - ticket.updated_at <= context.rules.policies.reopen_micros
        and ticket.status != "closed"
    ]
    unsolved = [ticket for ticket in recent if ticket.status != "solved"]
    return next(reversed(unsolved or recent), None)


def _is_of_brand(context: FoldContext, ticket: Ticket) -> bool:
    """Returns true for a ticket of the brand that the event came to. One from before there were brands is the default brand's."""
    brands = context.rules.brands
    return not brands.brands or brands.slug_of(ticket.brand) == context.brand_of_event


def _tells_conversations_apart(event: MessageReceived | CallEnded | CallAnswered) -> bool:
    """Returns true for a history that names its conversations and so has done this work: two chats of one day stay two."""
    return event.imported and bool(getattr(event, "thread_id", ""))


def says_history(event: MessageReceived, ticket: Ticket) -> bool:
    """Another help desk went on with this ticket after longer than ours would have: what happened, happened."""
    return event.imported and ticket.imported and event.thread_id in ticket.conversation.thread_ids


def _same_channel(one: str, other: str) -> bool:
    return one == other or {one, other} == {"phone", "voicemail"}


def only_by_address(ticket: Ticket, event: MessageReceived | CallEnded) -> bool:
    """Returns true when nothing but the address ties the event to this solved ticket: then it is a new matter."""
    if event.ticket_ref and event.ticket_ref == ticket.id_at(event.customer_tag):
        return False
    if isinstance(event, CallEnded):
        return True
    if event.thread_id and event.thread_id in ticket.conversation.thread_ids:
        return False
    return {*event.references, event.in_reply_to}.isdisjoint(ticket.conversation.message_ids)
