"""handle: what service takes per contact: waiting and handling time of calls and chats, abandonment, repeats, transfers.

  wait             of a call: as the telephone system says; of a chat: from its first line to the first answer of a person
  handling time    of a call: its talk time; of a chat: from the first answer to the end, where this conversation opened
                   the ticket (otherwise when it was answered is not known here, and it is NULL)
  abandoned        the customer gave up before a person answered
  repeat contact   a contact that opens or reopens a ticket about a reason of the last days (`repeat_within_days` of the
                   taxonomy), unless that is good news
  deflected        the customer told the bot that its answer helped

What is written or timed in other ways (e-mail, forms) has no handling time: nobody tells us how long an agent typed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from schemas.clock import MICROS
from schemas.events import BotAnswered, CallEnded, ChatEnded, MessageReceived, Transferred
from schemas.facts import ConversationFact, RepeatFact
from stream_processors.tickets.context import Turn
from stream_processors.tickets.state import Ticket

__all__ = ["step", "was_answered"]


def step(turn: Turn) -> Turn:
    """Conclude what the event says of service; most say nothing."""
    handler = _HANDLERS.get(type(turn.event))
    return turn if handler is None else handler(turn, turn.event)


# -- calls and chats --------------------------------------------------------------------------------------------------


def _call(turn: Turn, event: CallEnded) -> Turn:
    if turn.ticket is None:
        return turn
    answered = event.outcome == "answered"
    turn = _over(
        turn,
        kind="call",
        outcome=event.outcome,
        agent=event.agent_id,
        wait=event.wait_seconds,
        handle=event.talk_seconds if answered else None,
    )
    return _repeated(turn, event)


def _chat(turn: Turn, event: ChatEnded) -> Turn:
    ticket = turn.ticket
    if ticket is None:
        return turn
    answered = was_answered(ticket, event)
    return _over(
        turn,
        kind="chat",
        outcome="answered" if answered else event.outcome,
        agent=ticket.assignee if answered else "",
        wait=event.wait_seconds,
        handle=_chatted_seconds(ticket, event) if answered else None,
    )


def was_answered(ticket: Ticket, event: ChatEnded) -> bool:
    """Whether a person answered in this conversation, whoever answered in others of the ticket before."""
    if event.outcome != "timed_out":
        return event.outcome == "closed"
    if not ticket.answers:  # nobody answered, or before answers were told apart
        return ticket.first_response_at is not None
    return any(thread == event.thread_id for _, thread in ticket.answered_in)


def _chatted_seconds(ticket: Ticket, event: ChatEnded) -> float | None:
    if ticket.first_response_at is None or ticket.thread_ids != (event.thread_id,):
        return None
    return max(0, event.occurred_at - ticket.first_response_at) / MICROS


def _over(turn: Turn, *, kind: str, outcome: str, agent: str, wait: float, handle: float | None) -> Turn:
    ticket, event = turn.ticket, turn.event
    assert ticket is not None
    waited = max(0.0, wait)
    fact = ConversationFact(
        **turn.base,
        event_id=event.event_id,
        kind=kind,
        outcome=outcome,
        ticket_id=turn.ticket_id,
        channel=event.channel or ticket.channel,
        team=turn.team,
        agent_id=agent,
        wait_seconds=waited,
        handle_seconds=handle,
        imported=event.imported,
    )
    turn = turn.write(fact)
    if outcome == "answered":
        turn = turn.note("call_answered", detail=waited)
    elif outcome == "abandoned":
        turn = turn.note("abandoned", detail=waited)
    return turn if handle is None else turn.note("handled", detail=handle)


# -- contacts ---------------------------------------------------------------------------------------------------------


def _repeated(turn: Turn, event: MessageReceived | CallEnded) -> Turn:
    """Compare the reasons that this contact left with those that were known before it."""
    if not (turn.opened or turn.reopened) or not turn.before.reasons or turn.ticket is None:
        return turn
    taxonomy, now = turn.rules.taxonomy, turn.now
    known = dict(turn.before.reasons)
    facts = []
    for tag, at in turn.customer.reasons:
        previous = known.get(tag)
        if at != now or previous is None or not now - taxonomy.repeat_micros < previous < now:
            continue
        named = taxonomy.tags.get(tag)
        if named is None or named.valence == "good":
            continue
        facts.append(
            RepeatFact(
                **turn.base,
                event_id=event.event_id,
                tag=tag,
                ticket_id=turn.ticket_id,
                previous_at=previous,
                seconds=(now - previous) / MICROS,
                channel=turn.ticket.channel,
                team=turn.team,
                quadrant=named.quadrant,
                imported=event.imported,
            )
        )
    return turn.write(*facts).note("repeat_contact") if facts else turn


def _transferred(turn: Turn, event: Transferred) -> Turn:
    return turn if turn.ticket is None else turn.note("transferred")


def _bot(turn: Turn, event: BotAnswered) -> Turn:
    return turn.note("deflected") if event.resolved else turn


_HANDLERS: dict[type, Callable[[Turn, Any], Turn]] = {
    MessageReceived: _repeated,
    CallEnded: _call,
    ChatEnded: _chat,
    Transferred: _transferred,
    BotAnswered: _bot,
}
