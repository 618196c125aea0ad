"""Attaches an event to its ticket, and opens or reopens one where needed.

A customer's message belongs to, in this order,
  1. the ticket that its source proved (`ticket_ref`: recipient or subject token, our Message-ID),
  2. the ticket that holds a Message-ID which it answers or refers to,
  3. the ticket of its channel's own thread,
  4. on conversational channels, the newest open ticket of the same address, while it is recent,
  5. a new one.
All but the first only within the brand that the message came to: who writes to two brands has tickets of each.
A message that names a ticket whose sender takes no part in it (`trust`) is recorded there, and changes nothing else.
A solved ticket takes a message within the reopen window and reopens with a new episode, unless the message only
says thanks. After the window, and when closed, a new ticket follows up. What a machine answers on a ticket (out of
office, delivery report) is recorded there and waits for nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from schemas.errors import Refused
from schemas.events import (
    UNVERIFIED,
    AgentReplied,
    ArticleViewed,
    Assigned,
    BotAnswered,
    CallAnswered,
    CallEnded,
    CallStarted,
    ChatEnded,
    ConsentChanged,
    DeliveryReported,
    ErasureRequested,
    Event,
    MessageReceived,
    NoteAdded,
    OfferAnswered,
    Offered,
    OrderChanged,
    OrderPlaced,
    StatusChanged,
    SurveyAnswered,
    TagCorrected,
    TagSuggested,
    Tick,
    TranscriptRequested,
)
from schemas.identity import is_tag_of, split_ticket_id, ticket_in_mail
from stream_processors.tickets import erase, offers, trust
from stream_processors.tickets.brand_voice import is_whatsapp, remember_whatsapp
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.holding import HANDLERS
from stream_processors.tickets.lookup import (
    by_conversation,
    by_reference,
    find,
    finished_at,
    heard_of,
    only_by_address,
    says_history,
)
from stream_processors.tickets.mail_report import mail_report
from stream_processors.tickets.observations import (
    Contact,
    MessageIn,
    Observation,
    Ordered,
    TicketOpened,
    TicketReopened,
)
from stream_processors.tickets.opening import awaits_answer, join_or_open
from stream_processors.tickets.state import Customer, Ticket
from stream_processors.tickets.surveys import chat
from stream_processors.tickets.ticket_state import KEPT_THREADS

__all__ = ["step"]

KEPT_IDS = 20
#: Longer ids than any mail system writes are not worth remembering.
LONGEST_ID = 250

OUTCOMES = ("answered", "abandoned", "voicemail", "missed")
_MICROS = 1_000_000


def step(context: FoldContext) -> FoldContext:
    """Attach the ticket to the context.

    Raises:
        Refused: `unknown_ticket` for an agent's event about a ticket that this customer does not have.
    """
    handler = _HANDLERS.get(type(context.event))
    return context if handler is None else handler(context, context.event)


# -- what customers do --------------------------------------------------------------------------------------------


def _message(context: FoldContext, event: MessageReceived) -> FoldContext:
    found = by_reference(context, event) or by_conversation(context, event)
    only_thanks = False
    if found is not None and (solved := finished_at(found)) is not None:
        too_late = context.now - solved > context.rules.policies.reopen_micros and not says_history(event, found)
        if found.status == "closed" or too_late:
            found = None
        else:
            only_thanks = context.rules.policies.thanks.only(
                event.text, found.assignee, _first_name(event.customer_name)
            )
            if not only_thanks and only_by_address(found, event):
                found = None
    if found is not None and not trust.takes_part(context.customer, found, event):
        return _third_party(context, found)
    if event.channel in trust.MAIL and (answered := trust.answered_at(context.customer, event, found)) is not event:
        event, context = answered, context.replace(event=answered)
    context = join_or_open(context, event, found, context.now)
    if context.forwarded:
        return context
    if is_whatsapp(event):
        context = context.replace(customer=remember_whatsapp(context, event))
    from_machine = not context.opened and context.rules.guards.from_machine(event)
    return _said(context, event, answer_expected=not only_thanks and not from_machine)


def _third_party(context: FoldContext, ticket: Ticket) -> FoldContext:
    """Records the message on the ticket whose token its sender knows: nothing reopens, waits or is answered."""
    counts = replace(ticket.counts, third_party_messages=ticket.counts.third_party_messages + 1)
    return _announce(context.with_ticket(replace(ticket, counts=counts), third_party=True))


def _said(context: FoldContext, event: MessageReceived, *, answer_expected: bool) -> FoldContext:
    ticket = context.ticket
    assert ticket is not None
    conversation = ticket.conversation
    changes: dict[str, Any] = {}
    if event.message_id and len(event.message_id) <= LONGEST_ID:
        changes["message_ids"] = _kept(conversation.message_ids, event.message_id, KEPT_IDS)
        changes["last_message_id"] = event.message_id
    if event.thread_id:
        changes["thread_ids"] = _kept(conversation.thread_ids, event.thread_id, KEPT_THREADS)
    request = ticket.request
    if event.order_number and not request.order_number:
        request = replace(request, order_number=event.order_number)
    if event.verified != UNVERIFIED and trust.is_customer(context.customer, event):
        participants = trust.brought_in(ticket, event, context.rules.brands.is_ours)
        if participants is not conversation.participants:
            changes["participants"] = participants
        if event.address == request.address and trust.may_be_told(context.customer, event):
            request = replace(request, verified=event.verified)
    ticket = replace(
        ticket,
        conversation=replace(conversation, **changes) if changes else conversation,
        counts=replace(ticket.counts, customer_messages=ticket.counts.customer_messages + 1),
        imported=ticket.imported and event.imported,  # history that goes on now is routed and measured like any other
        request=request,
        updated_at=context.now,
    )
    if answer_expected:
        ticket = awaits_answer(ticket, context.now)
    return _announce(context.replace(ticket=ticket, customer=_known(context.customer, event)))


def _call(context: FoldContext, event: CallEnded) -> FoldContext:
    if event.outcome not in OUTCOMES:
        raise Refused("bad_outcome", f"{event.outcome!r} is not one of {', '.join(OUTCOMES)}")
    known = _heard_of(context.customer, event)
    named = by_reference(context, event)
    if named is not None and not trust.takes_part(context.customer, named, event):
        named = None  # a call is a matter of its own
    found = known or named or by_conversation(context, event)
    if known is None and found is not None and finished_at(found) is not None:
        found = None if found.status == "closed" or not _within(context, found) else found
        if found is not None and only_by_address(found, event):
            found = None
    answered_at = context.now - round(event.talk_seconds * _MICROS) if event.outcome == "answered" else context.now
    called_at = answered_at - round(event.wait_seconds * _MICROS)
    context = join_or_open(context, event, found, called_at)
    ticket = context.ticket
    if context.forwarded or ticket is None:
        return context
    counts = replace(ticket.counts, customer_messages=ticket.counts.customer_messages + 1)
    ticket = replace(ticket, counts=counts, imported=ticket.imported and event.imported, updated_at=context.now)
    if known is None:
        ticket = awaits_answer(ticket, called_at)
    context = context.replace(ticket=ticket, customer=_known(context.customer, event))
    if event.outcome == "answered":
        answered_call = None if known is None else known.conversation.answered_call
        context = context.replace(replied_at=answered_at if answered_call is None else answered_call[1])
    return _announce(context)


def _within(context: FoldContext, ticket: Ticket) -> bool:
    finished = finished_at(ticket)
    return finished is None or context.now - finished <= context.rules.policies.reopen_micros


def _heard_of(customer: Customer, event: CallEnded) -> Ticket | None:
    """Returns the ticket that this call answered, as a `CallAnswered` told: it may be solved by now."""
    if event.outcome != "answered":
        return None
    return next((each for each in reversed(customer.tickets) if heard_of(each, event)), None)


def _call_answered(context: FoldContext, event: CallAnswered) -> FoldContext:
    """Answers what the customer waited for on the telephone, be it their voicemail: a person speaks with them."""
    context = context.replace(customer=_known(context.customer, event))
    found = by_conversation(context, event)
    if found is None or finished_at(found) is not None:
        return context
    unanswered = found.conversation.unanswered
    if not unanswered or unanswered[0] > context.now:
        return context
    answered_call = (event.call_id, context.now) if event.call_id else None
    context = context.with_ticket(found, replied_at=context.now)
    return context.on_ticket(
        conversation=replace(found.conversation, answered_call=answered_call), updated_at=context.now
    )


def _no_ticket(kind: type[Observation] | None = None) -> Callable[[FoldContext, Any], FoldContext]:
    def handle(context: FoldContext, event: Any) -> FoldContext:
        context = context.replace(customer=_known(context.customer, event))
        return context if kind is None else context.observe(kind)

    return handle


def _chat(context: FoldContext, event: ChatEnded | TranscriptRequested) -> FoldContext:
    """Attaches the ticket of a conversation that is over; none when it was dropped, which hinders nothing."""
    held = (
        ticket for ticket in reversed(context.customer.tickets) if event.thread_id in ticket.conversation.thread_ids
    )
    context = context.with_ticket(next(held, None))
    if context.ticket is None or not isinstance(event, ChatEnded):
        return context
    updated_at = max(context.now, context.ticket.updated_at)
    conversation = replace(context.ticket.conversation, ended_chat=event.thread_id, ended_chat_at=context.now)
    return context.on_ticket(conversation=conversation, updated_at=updated_at)


def _reported(context: FoldContext, event: DeliveryReported) -> FoldContext:
    """Attaches the ticket of the mail that the report is about: by its Message-ID, or by the ticket named in the id."""
    customer = _known(context.customer, event)
    held = (ticket for ticket in reversed(customer.tickets) if event.message_id in ticket.conversation.message_ids)
    ticket = next(held, None)
    if ticket is None and (named := ticket_in_mail("", [], [event.message_id])):
        ticket = find(customer, named, event.customer_tag)
    context = context.with_ticket(ticket, customer=customer)
    return context.write(mail_report(context, event)) if event.channel == "email" else context


# -- what agents, the router and surveys do --------------------------------------------------------------------------


def _about_ticket(context: FoldContext, event: Any) -> FoldContext:
    ticket = _named(context.customer, event)
    if ticket is None:
        if isinstance(event, Assigned | NoteAdded | Offered | OfferAnswered | StatusChanged) and _is_followed_up(
            context.customer, event.ticket_id
        ):
            return context.replace(ticket=None)  # the ticket is gone, its low score is still looked after
        raise Refused("unknown_ticket", f"{_name(event)} is not a ticket of this customer, or it ended long ago")
    return _resolved(context, event, ticket)


def _is_followed_up(customer: Customer, ticket: str) -> bool:
    return any(
        each.follow_up is not None and not each.follow_up.done for each in customer.episodes if each.ticket_id == ticket
    )


def _survey(context: FoldContext, event: SurveyAnswered) -> FoldContext:
    """Attaches the ticket that a survey is about. It may have been dropped; the answer still counts."""
    if chat.names_conversation(event):
        ticket = chat.ticket_of(context.customer, event)
        if ticket is not None:
            return _resolved(context, replace(event, ticket_id=""), ticket)
        if not chat.may_be_gone(event):
            raise Refused("unknown_ticket", f"the conversation {event.thread_ref!r} is on no ticket of this customer")
    else:
        ticket = _named(context.customer, event)
    if ticket is None:
        parts, history = split_ticket_id(event.ticket_id), context.customer.merge_history
        ours = parts is not None and parts[0] == event.customer_tag and 0 < parts[1] < context.customer.next_number
        if not ours and (history is None or history.gone(event.ticket_id) is None):
            raise Refused("unknown_ticket", f"{_name(event)} is not a ticket of this customer")
        return context.replace(ticket=None)
    return _resolved(context, event, ticket)


def _resolved(context: FoldContext, event: Any, ticket: Ticket) -> FoldContext:
    """Attaches the ticket; an event that only knew the conversation knows the ticket from here on."""
    if not event.ticket_id:
        event = replace(event, ticket_id=ticket.id_at(event.customer_tag))
    return context.with_ticket(ticket, event=event)


def _named(customer: Customer, event: Any) -> Ticket | None:
    """Returns the ticket that an event names: by its id, or the newest one that holds its conversation."""
    if event.ticket_id:
        return find(customer, event.ticket_id, event.customer_tag)
    reference = getattr(event, "thread_ref", "")
    if not reference:
        return None
    return next((ticket for ticket in reversed(customer.tickets) if reference in ticket.conversation.thread_ids), None)


def _name(event: Any) -> str:
    reference = getattr(event, "thread_ref", "")
    return repr(event.ticket_id) if event.ticket_id or not reference else f"the conversation {reference!r}"


# -- what everything else needs ----------------------------------------------------------------------------------------


def _announce(context: FoldContext) -> FoldContext:
    """Tell the later steps: a contact, and whether it opened or reopened the ticket."""
    now, ticket, before = context.now, context.ticket, context.ticket_before
    assert ticket is not None
    observed: list[Observation] = [Contact(now, ticket)]
    if type(context.event) is MessageReceived:
        observed.append(MessageIn(now, ticket))
    reopened = before is not None and ticket.episode > before.episode
    if context.opened:
        observed.append(TicketOpened(now, ticket))
    elif reopened:
        observed.append(TicketReopened(now, ticket))
    return context.replace(observed=(*context.observed, *observed), reopened=reopened)


def _known(customer: Customer, event: Any) -> Customer:
    """Returns the customer with what the event tells of them. A sender who only knew a ticket token is somebody else."""
    changes: dict[str, str] = {}
    if not customer.goes_by(event.customer_id):
        if not is_tag_of(event.customer_tag, event.customer_id):
            return customer
        changes["customer_id"] = event.customer_id
    if isinstance(event, MessageReceived):
        if event.customer_name and event.customer_name != customer.name and trust.may_rename(customer, event):
            changes["name"] = event.customer_name
        if event.tier and event.tier != customer.tier:
            changes["tier"] = event.tier
    language = getattr(event, "language", "")
    if language and language != customer.language:
        changes["language"] = language
    return replace(customer, **changes) if changes else customer


def _kept(values: tuple[str, ...], value: str, most: int) -> tuple[str, ...]:
    return values if value in values else (*values, value)[-most:]


def _first_name(name: str) -> str:
    return name.split(" ", 1)[0]


_HANDLERS: dict[type[Event], Callable[[FoldContext, Any], FoldContext]] = {
    MessageReceived: _message,
    CallEnded: _call,
    OrderPlaced: lambda context, event: _no_ticket(Ordered)(context.with_order(event), event),
    CallStarted: _no_ticket(),
    CallAnswered: _call_answered,
    **dict.fromkeys((ArticleViewed, ConsentChanged, BotAnswered, OrderChanged), _no_ticket()),
    DeliveryReported: _reported,
    **dict.fromkeys((ChatEnded, TranscriptRequested), _chat),
    ErasureRequested: erase.step,
    SurveyAnswered: _survey,
    TagSuggested: lambda context, event: context.with_ticket(_named(context.customer, event)),  # None: it is gone
    Tick: lambda context, _: context,
    **dict.fromkeys((AgentReplied, NoteAdded, StatusChanged, TagCorrected, *HANDLERS, *offers.HANDLERS), _about_ticket),
}
