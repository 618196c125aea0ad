"""Observes what service takes per contact: waiting and handling time of calls and chats, abandonment, repeats, transfers.

  wait             of a call: as the telephone system says; of a chat: from its first line to the first answer of a person
  handling time    of a call: its talk time; of a chat: from the first answer to the end, where this conversation opened
                   the ticket (otherwise when it was answered is not known here, and it is NULL)
  abandoned        the customer gave up before a person answered
  repeat contact   a contact that opens or reopens a ticket about a reason of the last days (`repeat_within_days` of the
                   taxonomy), unless that is good news
  deflected        the customer told the bot, or the page of an article, that it helped

What is written or timed in other ways (e-mail, forms) has no handling time: nobody tells us how long an agent typed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from schemas.clock import MICROS
from schemas.events import ArticleViewed, BotAnswered, CallEnded, ChatEnded, MessageReceived, Transferred
from schemas.facts import ConversationFact, RepeatFact
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.observations import (
    ArticleRead,
    ConversationAbandoned,
    ConversationAnswered,
    ConversationHandled,
    Deflected,
    RepeatContact,
    TicketTransferred,
)
from stream_processors.tickets.state import Ticket

__all__ = ["step", "was_answered"]


def step(context: FoldContext) -> FoldContext:
    """Conclude what the event says of service; most say nothing."""
    handler = _HANDLERS.get(type(context.event))
    return context if handler is None else handler(context, context.event)


# -- calls and chats --------------------------------------------------------------------------------------------------


def _call(context: FoldContext, event: CallEnded) -> FoldContext:
    if context.ticket is None:
        return context
    answered = event.outcome == "answered"
    context = _over(
        context,
        kind="call",
        outcome=event.outcome,
        agent=event.agent_id,
        wait=event.wait_seconds,
        handle=event.talk_seconds if answered else None,
    )
    return _repeated(context, event)


def _chat(context: FoldContext, event: ChatEnded) -> FoldContext:
    ticket = context.ticket
    if ticket is None:
        return context
    answered = was_answered(ticket, event)
    return _over(
        context,
        kind="chat",
        outcome="answered" if answered else event.outcome,
        agent=ticket.assignee if answered else "",
        wait=event.wait_seconds,
        handle=_chatted_seconds(ticket, event) if answered else None,
    )


def was_answered(ticket: Ticket, event: ChatEnded) -> bool:
    """Returns true when a person answered in this conversation, whoever answered in others of the ticket before."""
    if event.outcome != "timed_out":
        return event.outcome == "closed"
    if not ticket.conversation.answers:  # nobody answered, or before answers were told apart
        return ticket.milestones.first_response_at is not None
    return any(thread == event.thread_id for _, thread in ticket.conversation.answered_conversations)


def _chatted_seconds(ticket: Ticket, event: ChatEnded) -> float | None:
    if ticket.milestones.first_response_at is None or ticket.conversation.thread_ids != (event.thread_id,):
        return None
    return max(0, event.occurred_at - ticket.milestones.first_response_at) / MICROS


def _over(
    context: FoldContext, *, kind: str, outcome: str, agent: str, wait: float, handle: float | None
) -> FoldContext:
    ticket, event = context.ticket, context.event
    assert ticket is not None
    waited = max(0.0, wait)
    fact = ConversationFact(
        **context.base,
        event_id=event.event_id,
        kind=kind,
        outcome=outcome,
        ticket_id=context.ticket_id,
        channel=event.channel or ticket.channel,
        team=context.team,
        agent_id=agent,
        wait_seconds=waited,
        handle_seconds=handle,
        imported=event.imported,
    )
    context = context.write(fact)
    if outcome == "answered":
        context = context.observe(ConversationAnswered, waited)
    elif outcome == "abandoned":
        context = context.observe(ConversationAbandoned, waited)
    return context if handle is None else context.observe(ConversationHandled, handle)


# -- contacts ---------------------------------------------------------------------------------------------------------


def _repeated(context: FoldContext, event: MessageReceived | CallEnded) -> FoldContext:
    """Compare the reasons that this contact left with those that were known before it."""
    if not (context.opened or context.reopened) or not context.before.reasons or context.ticket is None:
        return context
    taxonomy, now = context.rules.taxonomy, context.now
    known = dict(context.before.reasons)
    facts = []
    for tag, at in context.customer.reasons:
        previous = known.get(tag)
        if at != now or previous is None or not now - taxonomy.repeat_micros < previous < now:
            continue
        named = taxonomy.tags.get(tag)
        if named is None or named.valence == "good":
            continue
        facts.append(
            RepeatFact(
                **context.base,
                event_id=event.event_id,
                tag=tag,
                ticket_id=context.ticket_id,
                previous_at=previous,
                seconds=(now - previous) / MICROS,
                channel=context.ticket.channel,
                team=context.team,
                quadrant=named.quadrant,
                imported=event.imported,
            )
        )
    return context.write(*facts).observe(RepeatContact) if facts else context


def _transferred(context: FoldContext, event: Transferred) -> FoldContext:
    return context if context.ticket is None else context.observe(TicketTransferred)


def _bot(context: FoldContext, event: BotAnswered) -> FoldContext:
    return context.observe(Deflected) if event.resolved else context


def _article(context: FoldContext, event: ArticleViewed) -> FoldContext:
    if not event.reaction:
        return context.observe(ArticleRead)
    return context.observe(Deflected) if event.reaction == "helped" else context


_HANDLERS: dict[type, Callable[[FoldContext, Any], FoldContext]] = {
    MessageReceived: _repeated,
    CallEnded: _call,
    ChatEnded: _chat,
    Transferred: _transferred,
    ArticleViewed: _article,
    BotAnswered: _bot,
}
