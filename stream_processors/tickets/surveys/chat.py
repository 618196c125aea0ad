"""Finds the ticket of a chat whose visitor answers its survey.

A ticket remembers its last conversations only, and a visitor may vote on an earlier one. The browser proves which tickets
are the visitor's: the process that serves chats signs the conversation, and writes its browser into the answer. The
customer proves nothing, for anybody may begin a chat with somebody else's e-mail address.
"""

from __future__ import annotations

from schemas.events import SurveyAnswered
from schemas.identity import canonical_customer_id, is_tag_of
from stream_processors.tickets.state import Customer, Ticket
from stream_processors.tickets.ticket_state import KEPT_THREADS

__all__ = ["may_be_gone", "names_conversation", "ticket_of"]

_CHAT = "chat"


def names_conversation(event: SurveyAnswered) -> bool:
    """Returns true when the conversation decides which ticket the answer is for, whatever ticket the event names."""
    return bool(event.thread_ref) and bool(event.address or not event.ticket_id)


def ticket_of(customer: Customer, event: SurveyAnswered) -> Ticket | None:
    """Returns the ticket that holds the conversation, or held it and has forgotten it since; None when there is none."""
    newest_first = tuple(reversed(customer.tickets))
    for ticket in newest_first:
        if event.thread_ref in ticket.conversation.thread_ids:
            return ticket
    if event.imported or event.channel != _CHAT:
        return None
    forgetful = [
        ticket
        for ticket in newest_first
        if ticket.channel == _CHAT and len(ticket.conversation.thread_ids) >= KEPT_THREADS
    ]
    if event.address:
        theirs = [ticket for ticket in forgetful if ticket.request.address == event.address]
        named = [ticket for ticket in theirs if ticket.id_at(event.customer_tag) == event.ticket_id]
        return next(iter(named or theirs), None)
    # A producer of the release before names no browser. One ticket that can have forgotten the conversation is the one.
    return forgetful[0] if len(forgetful) == 1 else None


def may_be_gone(event: SurveyAnswered) -> bool:
    """Returns true when the answer may count for a ticket of the customer that is not kept any more.

    A chat's visitor proves that only as a customer who is nothing but this browser.
    """
    if not event.address:
        return True
    return is_tag_of(event.customer_tag, canonical_customer_id(_CHAT, event.address))
