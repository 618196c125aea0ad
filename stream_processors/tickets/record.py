"""Puts the ticket back into the customer, and writes what happened and how the tickets are now.

One contact fact per event (none for a tick, nor for one that was forwarded), one ticket fact per ticket that the event
changed. Tickets that nobody can reopen any more are dropped: the facts have them. Those of a history stay longer, on
the history's own time: other help desks close, rate and go on with a ticket weeks after it was solved.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from schemas.clock import MICROS
from schemas.codec import snake
from schemas.events import (
    EVENTS,
    AgentReplied,
    ArticleViewed,
    Assigned,
    AssignmentChanged,
    BotAnswered,
    CallAnswered,
    CallEnded,
    CallStarted,
    ChatEnded,
    ConsentChanged,
    CustomersMerged,
    CustomersSplit,
    DeliveryReported,
    ErasureRequested,
    Event,
    FollowChanged,
    MessageReceived,
    NoteAdded,
    OfferAnswered,
    Offered,
    OrderChanged,
    OrderPlaced,
    Overflowed,
    PriorityChanged,
    StatusChanged,
    SurveyAnswered,
    TagCorrected,
    TagSuggested,
    Tick,
    TicketAdopted,
    TranscriptRequested,
    Transferred,
)
from schemas.facts import ContactFact, TicketFact
from schemas.identity import customer_tag
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.lookup import finished_at
from stream_processors.tickets.merge import ended_here
from stream_processors.tickets.opening import MOST_TICKETS
from stream_processors.tickets.state import Ticket

__all__ = ["step"]

#: How long a ticket of a history is kept after its end while the history goes on.
KEPT_HISTORY_MICROS = 60 * 86_400 * MICROS
_KINDS = {kind: snake(kind.__name__) for kind in EVENTS}
#: What may be said of a ticket that is gone: somebody looks after its low score.
_ABOUT_GONE_TICKETS = frozenset((Assigned, NoteAdded, StatusChanged))
_VERIFIED = frozenset(kind for kind in EVENTS if "verified" in kind.__struct_fields__)
_FROM_CUSTOMER = frozenset(
    (MessageReceived, CallEnded, CallStarted, SurveyAnswered, ArticleViewed, BotAnswered, ConsentChanged, OrderPlaced)
)


def step(context: FoldContext) -> FoldContext:
    """Write the facts of this event; the customer is complete afterwards."""
    tickets = _put_back(context)
    before = {ticket.number: ticket for ticket in context.before.tickets}
    records: list[msgspec.Struct] = []
    if type(context.event) is not Tick and not context.forwarded:
        records.append(_contact(context))
    for ticket in tickets:
        if (known := before.get(ticket.number)) is not ticket and known != ticket:
            records.append(_ticket(context, ticket))
    kept = _worth_keeping(context, tickets)
    customer = msgspec.structs.replace(context.customer, tickets=kept)
    if customer.merge_history is not None and len(kept) < len(tickets):
        customer = ended_here(customer, tickets)
    return context.write(*records).replace(customer=customer)


def _put_back(context: FoldContext) -> tuple[Ticket, ...]:
    ticket, tickets = context.ticket, context.customer.tickets
    if ticket is None:
        return tickets
    if context.opened:
        return (*tickets, ticket)
    return tuple(ticket if each.number == ticket.number else each for each in tickets)


def _worth_keeping(context: FoldContext, tickets: tuple[Ticket, ...]) -> tuple[Ticket, ...]:
    """Returns the tickets without those that ended before the reopen window, and of the ended ones only the newest."""
    window = context.rules.policies.reopen_micros
    longer = max(window, KEPT_HISTORY_MICROS) if context.event.imported else window
    own = context.ticket.number if context.ticket else 0
    kept = [
        each
        for each in tickets
        if each.number == own
        or (ended := finished_at(each)) is None
        or each.follow_up is not None
        or ended >= context.now - (longer if each.imported else window)
    ]
    if len(kept) > MOST_TICKETS:
        endable = [each for each in kept if finished_at(each) is not None and each.follow_up is None]
        for each in [each for each in endable if each.number != own][: len(kept) - MOST_TICKETS]:
            kept.remove(each)
    return tickets if len(kept) == len(tickets) else tuple(kept)


def _ticket(context: FoldContext, ticket: Ticket) -> TicketFact:
    customer = context.customer
    created = ticket.created_at
    finished = finished_at(ticket) is not None
    dues = [clock.due_at for clock in ticket.clocks if clock.running and not clock.breached]
    return TicketFact(
        customer_tag=context.event.customer_tag,
        version=ticket.version_at(context.position.offset),
        partition=context.position.partition,
        at=context.now,
        ticket_id=ticket.id_at(context.event.customer_tag),
        episode=ticket.episode,
        channel=ticket.channel,
        status=ticket.status,
        priority=ticket.priority,
        subject=ticket.request.subject,
        customer_id=customer.customer_id,
        customer_name=customer.name,
        language=ticket.language,
        tier=customer.tier,
        team=ticket.team,
        assignee_id=ticket.assignee,
        tags=list(ticket.tags),
        tagged_with=ticket.request.tagged_with,
        order_number=ticket.request.order_number,
        dissatisfied=ticket.request.dissatisfied,
        imported=ticket.imported,
        created_at=created,
        acknowledged_at=ticket.milestones.acknowledged_at,
        first_assigned_at=ticket.milestones.first_assigned_at,
        first_response_at=ticket.milestones.first_response_at,
        first_solved_at=ticket.milestones.first_solved_at,
        last_solved_at=ticket.milestones.last_solved_at,
        first_response_seconds=_seconds(created, ticket.milestones.first_response_at),
        first_resolution_seconds=_seconds(created, ticket.milestones.first_solved_at),
        full_resolution_seconds=_seconds(created, ticket.milestones.last_solved_at if finished else None),
        policy=ticket.sla.policy,
        policy_version=ticket.sla.policy_version,
        promised_at=ticket.milestones.promised_at,
        customer_messages=ticket.counts.customer_messages,
        public_replies=ticket.counts.public_replies,
        internal_notes=ticket.counts.internal_notes,
        reopens=ticket.counts.reopens,
        transfers=ticket.counts.transfers,
        assignees=len(ticket.assignees),
        clocks_breached=ticket.counts.clocks_breached,
        next_due_at=min(dues, default=None),
        waiting_since=ticket.conversation.waiting_since,
        csat=ticket.survey.csat,
        ces=ticket.survey.ces,
        verified=ticket.request.verified,
        third_party_messages=ticket.counts.third_party_messages,
        brand=ticket.brand,
        team_rule=ticket.routing.rule,
    )


def _seconds(since: int, until: int | None) -> float | None:
    return None if until is None else max(0, until - since) / MICROS


def _contact(context: FoldContext) -> ContactFact:
    event, ticket = context.event, context.ticket
    kind = type(event)
    fields: dict[str, Any] = {}
    if ticket is not None:
        fields = {"ticket_id": context.ticket_id, "language": ticket.language, "channel": ticket.channel}
        if kind is MessageReceived or kind is CallEnded:
            fields["dissatisfied"] = ticket.request.dissatisfied
    elif kind in _ABOUT_GONE_TICKETS:
        fields["ticket_id"] = event.ticket_id  # type: ignore[attr-defined]
    if event.channel:
        fields["channel"] = event.channel
    if kind in _VERIFIED:
        fields["verified"] = event.verified  # type: ignore[attr-defined]
    return ContactFact(
        **context.base,
        event_id=event.event_id,
        kind=_KINDS[kind],
        received_at=event.received_at,
        source=event.source,
        opened_ticket=context.opened,
        imported=event.imported,
        third_party=context.third_party,
        **{"direction": "in" if kind in _FROM_CUSTOMER else "internal", **fields, **_CONTENT[kind](event)},
    )


# -- what each kind of event says: author, text, detail ---------------------------------------------------------------


def _message(event: MessageReceived) -> dict[str, Any]:
    return {
        "author": event.customer_id,
        "subject": event.subject,
        "text": event.text,
        "public": event.public,
        "order_number": event.order_number,
    }


def _reply(event: AgentReplied) -> dict[str, Any]:
    direction = "out" if event.public else "internal"
    about = {"author": event.agent_id, "text": event.text, "public": event.public, "direction": direction}
    return about | {"advice": event.advice} if event.advice else about


def _note(event: NoteAdded) -> dict[str, Any]:
    return {"author": event.agent_id, "text": event.text}


def _status(event: StatusChanged) -> dict[str, Any]:
    return {"author": event.agent_id, "detail": event.status}


def _assigned(event: Assigned) -> dict[str, Any]:
    return {"author": event.agent_id, "text": event.reason, "detail": event.team}


def _transferred(event: Transferred) -> dict[str, Any]:
    where = f"{event.to_team}/{event.to_agent}" if event.to_agent else event.to_team
    return {"author": event.agent_id, "text": event.reason, "detail": where}


def _given(event: AssignmentChanged) -> dict[str, Any]:
    return {"author": event.agent_id, "text": event.reason, "detail": event.to_agent}


def _prioritised(event: PriorityChanged) -> dict[str, Any]:
    return {"author": event.agent_id, "text": event.reason, "detail": event.priority}


def _followed(event: FollowChanged) -> dict[str, Any]:
    return {"author": event.agent_id, "detail": "on" if event.on else "off"}


def _offered(event: Offered) -> dict[str, Any]:
    return {"author": event.agent_id, "text": event.reason, "detail": event.team}


def _offer_answered(event: OfferAnswered) -> dict[str, Any]:
    return {"author": event.agent_id, "text": event.reason, "detail": event.outcome}


def _overflowed(event: Overflowed) -> dict[str, Any]:
    return {"text": event.reason, "detail": event.to_team}


def _tags(event: TagCorrected) -> dict[str, Any]:
    changes = [*(f"+{tag}" for tag in event.add), *(f"-{tag}" for tag in event.remove)]
    return {"author": event.agent_id, "detail": " ".join(changes)}


def _suggestion(event: TagSuggested) -> dict[str, Any]:
    return {
        "ticket_id": event.ticket_id,
        "author": "suggester",
        "detail": f"{'+' if event.certain else '?'}{event.tag} {event.confidence:.2f}",
    }


def _survey(event: SurveyAnswered) -> dict[str, Any]:
    scores = (("csat", event.csat), ("ces", event.ces))
    detail = " ".join(f"{name}={score}" for name, score in scores if score is not None)
    return {"ticket_id": event.ticket_id, "text": event.comment, "detail": detail}


def _call(event: CallEnded) -> dict[str, Any]:
    return {"author": event.customer_id, "text": event.transcript, "detail": event.outcome}


def _chat_ended(event: ChatEnded) -> dict[str, Any]:
    return {"author": event.customer_id, "detail": event.outcome}


def _transcript(event: TranscriptRequested) -> dict[str, Any]:
    return {"author": event.customer_id, "detail": event.thread_id}


def _article(event: ArticleViewed) -> dict[str, Any]:
    """Returns the article or the search as `detail`, what came of it as `text`, the search that led to an article as `subject`."""
    is_search = not event.article_id and not event.reaction
    found = "searched" if event.results else "found_nothing"
    return {
        "author": event.customer_id,
        "subject": "" if is_search else event.query,
        "text": event.reaction or (found if is_search else ""),
        "detail": event.query if is_search else event.article_id,
        "language": event.language,
    }


def _order(event: OrderPlaced) -> dict[str, Any]:
    return {"author": event.customer_id, "order_number": event.order_number, "amount": event.amount}


def _ringing(event: CallStarted | CallAnswered) -> dict[str, Any]:
    agent = getattr(event, "agent_id", "")
    return {"author": agent or event.customer_id, "detail": event.call_id}


def _consent(event: ConsentChanged) -> dict[str, Any]:
    return {"author": event.customer_id, "text": event.keyword, "detail": event.wish}


def _report(event: DeliveryReported) -> dict[str, Any]:
    return {"detail": " ".join(filter(None, (event.status, event.error_code)))}


def _bot(event: BotAnswered) -> dict[str, Any]:
    detail = "resolved" if event.resolved else event.article_id
    return {"author": event.customer_id, "subject": event.question, "text": event.answer, "detail": detail}


def _order_change(event: OrderChanged) -> dict[str, Any]:
    detail = {"order_number": event.order_number, "amount": event.amount, "detail": event.change}
    return {"author": event.customer_id, "text": event.reason, **detail}


def _erasure(event: ErasureRequested) -> dict[str, Any]:
    return {"author": event.requested_by}


def _customers_merged(event: CustomersMerged) -> dict[str, Any]:
    former = event.from_tag or customer_tag(event.from_customer_id)
    return _other_customer(event, former, customer_tag(event.into_customer_id))


def _customers_split(event: CustomersSplit) -> dict[str, Any]:
    return _other_customer(event, customer_tag(event.customer_id), customer_tag(event.to_customer_id))


def _other_customer(event: CustomersMerged | CustomersSplit, first: str, second: str) -> dict[str, Any]:
    """Returns the tag of the other customer as `detail`, so that the histories of both can be joined."""
    other = second if first == event.customer_tag else first
    return {"author": event.agent_id, "text": event.reason, "detail": other}


def _ticket_adopted(event: TicketAdopted) -> dict[str, Any]:
    return {"ticket_id": event.ticket_id, "author": event.agent_id, "detail": customer_tag(event.from_customer_id)}


_CONTENT: dict[type[Event], Callable[[Any], dict[str, Any]]] = {
    MessageReceived: _message,
    AgentReplied: _reply,
    NoteAdded: _note,
    StatusChanged: _status,
    Assigned: _assigned,
    Transferred: _transferred,
    AssignmentChanged: _given,
    PriorityChanged: _prioritised,
    FollowChanged: _followed,
    Overflowed: _overflowed,
    Offered: _offered,
    OfferAnswered: _offer_answered,
    TagCorrected: _tags,
    TagSuggested: _suggestion,
    SurveyAnswered: _survey,
    CallEnded: _call,
    ArticleViewed: _article,
    OrderPlaced: _order,
    CallStarted: _ringing,
    CallAnswered: _ringing,
    ChatEnded: _chat_ended,
    TranscriptRequested: _transcript,
    ConsentChanged: _consent,
    DeliveryReported: _report,
    BotAnswered: _bot,
    OrderChanged: _order_change,
    ErasureRequested: _erasure,
    CustomersMerged: _customers_merged,
    CustomersSplit: _customers_split,
    TicketAdopted: _ticket_adopted,
}
