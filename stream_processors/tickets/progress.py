"""Changes a ticket by what agents, the router and answered calls do.

- A public answer of a person answers every message up to its time, and puts a new or open ticket on `pending`: it
  waits on the customer now, unless a message came that the agent cannot have seen. A `StatusChanged` decides
  otherwise. The answer is written to `outbound` exactly as it is to be delivered; when the chat that it answers has
  ended, by e-mail. To an address that wants nothing more of us it is a refused delivery instead.
- Nothing reopens a closed ticket. An agent who takes a solved ticket up again opens a new episode.
- A status that arrives late undoes nothing that happened after it: it reopens no later solve, overrides no later status,
  and a solve or a pause from before a message that waits leaves the ticket open. Its time in that state stays uncharged.
  An `open` from before an answer does not undo the `pending` that the answer set. A solve from before the one that is
  known is the one that counts, unless somebody wrote or answered in between.
- Who has it is changed by `holding`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from schemas.errors import Refused
from schemas.events import STATUSES, AgentReplied, CallAnswered, Event, NoteAdded, StatusChanged
from schemas.facts import Outbound
from schemas.identity import event_id, mail_message_id
from stream_processors.tickets import holding, offers
from stream_processors.tickets.acknowledge import (
    KEPT_REFERENCES,
    MAIL_CHANNELS,
    MESSAGE_ID,
    answered_post,
    carrier,
    reply_subject,
)
from stream_processors.tickets.brand_voice import sent_by
from stream_processors.tickets.consent import refused
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.holding import held_by
from stream_processors.tickets.late_status import all_answered, overtaken, solved_at, solves_earlier
from stream_processors.tickets.lookup import finished_at
from stream_processors.tickets.observations import Replied, Solved, TicketReopened
from stream_processors.tickets.reply_mail import needs_mail, with_copied, written
from stream_processors.tickets.state import Customer, Milestones, Ticket, TicketConversation
from stream_processors.tickets.thread import KEPT_IDS
from stream_processors.tickets.ticket_state import KEPT_THREADS
from stream_processors.tickets.trust import name_for

__all__ = ["instead_of_chat", "step", "threading"]

_MICROS = 1_000_000


def step(context: FoldContext) -> FoldContext:
    """Change the ticket as the event says.

    Raises:
        Refused: `bad_status`, `closed_ticket`; those of `holding`.
    """
    if context.ticket is None:
        return context
    if isinstance(context.event, CallAnswered) and context.replied_at is not None:
        return _speaks(context, context.replied_at, context.event.agent_id)
    if context.replied_at is not None:
        return _answered(context, context.replied_at, getattr(context.event, "agent_id", ""))
    handler = _HANDLERS.get(type(context.event))
    return context if handler is None else handler(context, context.ticket, context.event)


# -- answers ----------------------------------------------------------------------------------------------------------


def _replied(context: FoldContext, ticket: Ticket, event: AgentReplied) -> FoldContext:
    if not event.public:
        return _noted(context, ticket, event)
    at = max(context.now, ticket.created_at)  # an agent's clock may be a little slow
    context = _answered(context.replace(replied_at=at), at, event.agent_id)
    if event.imported:
        return context
    if ticket.imported:
        context = context.on_ticket(imported=False)  # history that goes on now
    return _deliver(context, event) if ticket.request.address else context


def _answered(context: FoldContext, at: int, agent: str) -> FoldContext:
    ticket = context.ticket
    assert ticket is not None
    conversation, status_at = _heard(ticket, at), ticket.milestones.status_at
    said = ticket.episode, _conversation(ticket, at)
    if said[1] is None:
        conversation = replace(conversation, answers=conversation.answers + 1)
    elif said not in conversation.answered_conversations:
        known = (*conversation.answered_conversations, said)[-KEPT_THREADS:]
        conversation = replace(conversation, answers=conversation.answers + 1, answered_conversations=known)
    changes: dict[str, Any] = {
        "conversation": conversation,
        "counts": replace(ticket.counts, public_replies=ticket.counts.public_replies + 1),
        "milestones": _responded(ticket, at),
        "updated_at": context.now,
    }
    # after this answer, or the call that it was: it is open for a reason
    taken_up = status_at is not None and context.now < status_at
    if ticket.status in ("new", "open") and not taken_up:
        changes["status"] = "open" if conversation.unanswered else "pending"
    answered = replace(ticket, **changes)
    if agent and not ticket.assignee and finished_at(ticket) is None:
        answered = held_by(answered, agent, at)
    return context.replace(ticket=answered).observe(Replied, at=at)


def _heard(ticket: Ticket, at: int) -> TicketConversation:
    """Returns the conversation in which everything up to `at` is answered."""
    conversation = ticket.conversation
    unanswered = tuple(each for each in conversation.unanswered if each > at)
    changes: dict[str, Any] = {"unanswered": unanswered, "waiting_since": unanswered[0] if unanswered else None}
    if conversation.unanswered_at_solve:
        changes["unanswered_at_solve"] = tuple(each for each in conversation.unanswered_at_solve if each > at)
    return replace(conversation, **changes)


def _responded(ticket: Ticket, at: int) -> Milestones:
    """Returns the milestones with an answer at `at`, which may be the first, the last or one between them."""
    milestones = ticket.milestones
    first, last = milestones.first_response_at, milestones.last_response_at
    if first is not None and last is not None and first <= at <= last:
        return milestones
    return replace(
        milestones,
        first_response_at=at if first is None or at < first else first,
        last_response_at=at if last is None or at > last else last,
    )


def _conversation(ticket: Ticket, at: int) -> str | None:
    """Returns the chat conversation that an answer belongs to; None for one by mail, as all are when the chat is over."""
    if ticket.channel != "chat":
        return None
    conversation = ticket.conversation
    newest = conversation.thread_ids[-1] if conversation.thread_ids else ""
    is_over = newest and newest == conversation.ended_chat and at > conversation.ended_chat_at
    return None if is_over else newest


def _speaks(context: FoldContext, at: int, agent: str) -> FoldContext:
    """Notes that a person is on the telephone. When the call ends it counts as an answer, and decides the status."""
    ticket = context.ticket
    assert ticket is not None
    status = "open" if ticket.status == "new" else ticket.status
    heard = replace(ticket, status=status, conversation=_heard(ticket, at), milestones=_responded(ticket, at))
    return context.replace(ticket=held_by(heard, agent, at) if agent and not ticket.assignee else heard)


def _deliver(context: FoldContext, event: AgentReplied) -> FoldContext:
    ticket = context.ticket
    assert ticket is not None
    channel, address = carrier(ticket.channel, ticket.request.address), ticket.request.address
    if channel == "chat" and (mailbox := instead_of_chat(context.customer, ticket)):
        channel, address = "email", mailbox
    mail = channel in MAIL_CHANNELS
    brand = context.brand
    outbound_id = event_id("reply", event.event_id)
    if context.customer.wants_nothing_at(address):
        return refused(context, outbound_id, context.ticket_id, channel, "reply", "opted_out")
    message_id = event.message_id or mail_message_id(context.ticket_id, outbound_id, brand.mail_domain) if mail else ""
    name = name_for(context.customer, ticket, address)
    outbound = Outbound(
        **context.base,
        outbound_id=outbound_id,
        ticket_id=context.ticket_id,
        kind="reply",
        channel=channel,
        address=address,
        customer_name=name,
        subject=reply_subject(ticket.request.subject, context.ticket_id) if mail else "",
        locale=ticket.language,
        message_id=message_id,
        thread_id=ticket.conversation.thread_ids[-1] if ticket.conversation.thread_ids else "",
        headers=threading(ticket) if mail else answered_post(channel, ticket),
        causation_depth=event.causation_depth + 1,
        **sent_by(
            context,
            brand,
            mail=mail,
            address=address,
            ticket=context.ticket_id,
            kind="reply",
            locale=ticket.language,
            name=name,
        ),
        **(written(context, ticket, event) if mail else {"text": event.text}),
    )
    if mail:
        message_ids = (*ticket.conversation.message_ids, message_id)[-KEPT_IDS:]
        context = context.on_ticket(conversation=replace(ticket.conversation, message_ids=message_ids))
        context = with_copied(context, outbound.cc)
    elif needs_mail(event):  # the text goes, and that the rest does not is told as a delivery that was refused
        rest = event_id("reply-rest", event.event_id)
        context = refused(context, rest, context.ticket_id, channel, "reply", "only_by_mail")
    return context.write(outbound)


def instead_of_chat(customer: Customer, ticket: Ticket) -> str:
    """Returns the customer's e-mail address when their newest chat on this ticket is over; '' while somebody reads along."""
    if not ticket.conversation.ended_chat or ticket.conversation.thread_ids[-1:] != (ticket.conversation.ended_chat,):
        return ""
    kind, _, value = customer.customer_id.partition(":")
    return value if kind == "email" else ""


def threading(ticket: Ticket) -> dict[str, str]:
    """Returns the headers that put a mail into the customer's thread."""
    last = ticket.conversation.last_message_id
    if not MESSAGE_ID.fullmatch(last):
        return {}
    others = [
        each
        for each in ticket.conversation.message_ids[-KEPT_REFERENCES:]
        if each != last and MESSAGE_ID.fullmatch(each)
    ]
    return {"In-Reply-To": last, "References": " ".join((*others, last))}


def _noted(context: FoldContext, ticket: Ticket, event: NoteAdded | AgentReplied) -> FoldContext:
    counts = replace(ticket.counts, internal_notes=ticket.counts.internal_notes + 1)
    return context.on_ticket(counts=counts, updated_at=context.now)


# -- status -----------------------------------------------------------------------------------------------------------


def _status(context: FoldContext, ticket: Ticket, event: StatusChanged) -> FoldContext:
    if event.status not in STATUSES:
        raise Refused("bad_status", f"{event.status!r} is not one of {', '.join(STATUSES)}")
    status, known = overtaken(ticket, event.status, context.now), ticket.milestones.status_at
    if known is None or context.now > known:
        ticket = replace(ticket, milestones=replace(ticket.milestones, status_at=context.now))
    if status == ticket.status:
        if event.status == "solved" and solves_earlier(ticket, context.now):
            ticket = solved_at(ticket, context.now)
        return context.replace(ticket=ticket)
    if ticket.status == "closed":
        raise Refused("closed_ticket", f"{event.ticket_id} is closed for good")
    was, ticket = ticket.status, replace(ticket, status=status, updated_at=context.now)
    if status == "solved":
        return _solved(context, ticket, event)
    if status == "closed":
        return context.replace(ticket=replace(ticket, conversation=all_answered(ticket)))
    if was == "solved":
        counts = replace(ticket.counts, reopens=ticket.counts.reopens + 1)
        ticket = replace(ticket, episode=ticket.episode + 1, counts=counts)
        return context.replace(ticket=ticket).observe(TicketReopened)
    return context.replace(ticket=ticket)


def _solved(context: FoldContext, ticket: Ticket, event: StatusChanged) -> FoldContext:
    """Marks the ticket, whose status it is already, as solved now."""
    if event.agent_id and not ticket.assignee:
        ticket = held_by(ticket, event.agent_id, context.now)
    first = ticket.milestones.first_solved_at
    solved = {"first_solved_at": context.now if first is None else first, "last_solved_at": context.now}
    ticket = replace(ticket, conversation=all_answered(ticket), milestones=replace(ticket.milestones, **solved))
    seconds = max(0, context.now - ticket.created_at) / _MICROS
    return context.replace(ticket=ticket).observe(Solved, seconds)


_HANDLERS: dict[type[Event], Callable[[FoldContext, Ticket, Any], FoldContext]] = {
    AgentReplied: _replied,
    NoteAdded: _noted,
    StatusChanged: _status,
    **holding.HANDLERS,
    **offers.HANDLERS,
}
