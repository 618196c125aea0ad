"""Merges two customers who turn out to be one person, and splits them again (ADR 0011).

A merge is folded where the customer is who goes up in the other. Every ticket that is not closed is given away: a
`TicketAdopted` carries it to the log of the other customer, and a `MovedTicket` stays behind. The customer keeps a
`MergedInto`:
what comes for them later is written on to whoever they are now, what comes for a ticket to whoever has it now.
A ticket keeps its id wherever it goes, so whoever knows one still reaches it, through the log of the customer in it.

Why nothing runs in circles: what one log writes to another arrives in order. So the ticket is there before what is
written after it, and the word of a merge before what is written on because of it. A word of a merge that finds itself
back at the customer before its origin has gone round a circle: the older of the two decisions that meet there ends.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from schemas.errors import Refused, StateFromTheFuture
from schemas.events import (
    EVENTS,
    UNVERIFIED,
    ConsentChanged,
    CustomersMerged,
    CustomersSplit,
    Event,
    SurveyAnswered,
    TicketAdopted,
)
from schemas.identity import customer_tag, event_id, is_tag_of, split_ticket_id
from stream_processors.rules.loop_guards import REMEMBERED
from stream_processors.rules.surveys import MOST_INVITATIONS
from stream_processors.runtime.processor import Output
from stream_processors.runtime.state_codec import StateCodec
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.lookup import find
from stream_processors.tickets.resolution import episodes
from stream_processors.tickets.state import (
    MOST_OPTED_OUT,
    Adopted,
    Customer,
    MergedInto,
    MergeHistory,
    MovedTicket,
    Ticket,
)
from stream_processors.tickets.surveys import invite
from stream_processors.tickets.tag import KEPT_REASONS

__all__ = ["KINDS", "ended_here", "passed_on", "step"]

#: Tickets that a customer remembers to have given away, or to have seen ended after they came from somebody else.
KEPT_MOVED = 500
#: Names that went up in a customer and are remembered; far more than anybody has.
KEPT_NAMES = 50
_CODEC = StateCodec({b"c": Customer})
_UNKNOWN = MergeHistory()


# -- what goes on to somebody else ------------------------------------------------------------------------------------


def passed_on(customer: Customer, event: Event) -> Event | None:
    """Returns the event as it is written to the log of whoever it concerns now; None when that is this customer.

    Only for a customer with a merge history. Nothing is concluded from what is passed on.
    """
    history = customer.merge_history
    assert history is not None, "who was never merged has nothing to pass on"
    kind = type(event)
    if kind in _ABOUT_TICKETS:
        holder = _holder(customer, history, event)
    elif kind in _OF_CUSTOMERS:
        merged_into = history.merged_into
        gone = history.gone(reference) if (reference := getattr(event, "ticket_ref", "")) else None
        holder = "" if gone is None else gone.holder
        own = merged_into is not None and is_tag_of(event.customer_tag, event.customer_id)  # type: ignore[attr-defined]
        if merged_into is not None and own and holder in ("", merged_into.tag):
            return _addressed(event, merged_into.tag, customer_id=merged_into.customer_id)
    else:
        return None
    return _addressed(event, holder) if holder else None


def _holder(customer: Customer, history: MergeHistory, event: Any) -> str:
    """Returns the tag of who has the ticket that the event names, '' when it is this customer or nobody."""
    merged_into = "" if history.merged_into is None else history.merged_into.tag
    if event.ticket_id:
        if (gone := history.gone(event.ticket_id)) is not None:
            return gone.holder
        if type(event) is SurveyAnswered or find(customer, event.ticket_id, event.customer_tag) is not None:
            return ""  # a survey about a ticket that ended before the merge counts here
        return merged_into
    thread = getattr(event, "thread_ref", "")
    if not thread or any(thread in ticket.conversation.thread_ids for ticket in customer.tickets):
        return ""
    return next(
        (each.holder for each in reversed(history.moved_tickets) if each.holder and thread in each.threads), merged_into
    )


def _addressed(event: Event, tag: str, **changes: Any) -> Event:
    return replace(event, customer_tag=tag, causation_depth=event.causation_depth + 1, **changes)


# -- merges, splits, adoptions ----------------------------------------------------------------------------------------


def step(context: FoldContext) -> FoldContext:
    """Fold a `CustomersMerged`, `CustomersSplit` or `TicketAdopted`; any other event passes.

    Raises:
        Refused: `same_customer`, `unknown_ticket` for a split with a ticket that this customer does not have.
        StateFromTheFuture: a newer build gave the ticket away.
    """
    event = context.event
    if type(event) not in KINDS:
        return context
    if isinstance(event, CustomersMerged):
        return _merged(context, event)
    if isinstance(event, CustomersSplit):
        return _split(context, event)
    return _adopted(context, event) if isinstance(event, TicketAdopted) else context


def _merged(context: FoldContext, event: CustomersMerged) -> FoldContext:
    origin = event.from_tag or customer_tag(event.from_customer_id)
    target = customer_tag(event.into_customer_id)
    if origin == target:
        raise Refused("same_customer", f"{event.from_customer_id!r} and {event.into_customer_id!r} are one already")
    if origin != event.customer_tag:
        return _told_of_merge(context, event, origin)
    history = context.customer.merge_history or _UNKNOWN
    if history.merged_into is not None:  # whoever this customer is by now goes up in the other
        if history.merged_into.tag == target or event.from_tag:
            return context
        return _send_on(
            context, _addressed(event, history.merged_into.tag, from_customer_id=history.merged_into.customer_id)
        )
    stamp = history.clock + 1
    names = MergeHistory(merged_from=history.merged_from) if history.merged_from else None
    known = replace(context.customer, tickets=(), episodes=(), seen=(), merge_history=names, offset=-1)
    word = _addressed(
        event, target, event_id=event_id("merged", event.event_id, origin), stamp=stamp, known=_CODEC.dump(b"c", known)
    )
    context = _with_history(
        context, replace(history, merged_into=MergedInto(event.into_customer_id, target, stamp), clock=stamp)
    )
    context = context.send(Output(word, target))
    unfinished = [ticket for ticket in context.customer.tickets if ticket.status != "closed"]
    return _give(context, unfinished, event.from_customer_id, event.into_customer_id, event.agent_id)


def _told_of_merge(context: FoldContext, event: CustomersMerged, origin: str) -> FoldContext:
    """Folds the word of a merge at the customer who is merged into, or further on."""
    history = context.customer.merge_history or _UNKNOWN
    merged_into = history.merged_into
    context = _with_history(context, replace(history, clock=max(history.clock, event.stamp)))
    if merged_into is not None and merged_into.tag != origin:
        return _send_on(context, _addressed(event, merged_into.tag, into_customer_id=merged_into.customer_id))
    if merged_into is not None:
        if (event.stamp, origin) < (merged_into.stamp, event.customer_tag):
            return context  # a circle: the other one ends their merged_into, when they are told of ours
        context = _without_merge(context)
    context = context.replace(customer=_learned(_called(context.customer, event.into_customer_id), event.known))
    return _with_names(context, origin, *_names_in(event.known))


def _split(context: FoldContext, event: CustomersSplit) -> FoldContext:
    source, target = customer_tag(event.customer_id), customer_tag(event.to_customer_id)
    if source == target:
        raise Refused("same_customer", f"{event.customer_id!r} and {event.to_customer_id!r} are one customer")
    history = context.customer.merge_history or _UNKNOWN
    if source != event.customer_tag:
        return _told_of_split(context, event, source)
    if history.merged_into is not None:
        return _send_on(
            context, _addressed(event, history.merged_into.tag, customer_id=history.merged_into.customer_id)
        )
    chosen = []
    for name in dict.fromkeys(event.ticket_ids):
        ticket = find(context.customer, name, event.customer_tag)
        if ticket is None:
            raise Refused("unknown_ticket", f"{name!r} is not a ticket of this customer, or it ended long ago")
        chosen.append(ticket)
    stamp = history.clock + 1
    word = _addressed(event, target, event_id=event_id("split", event.event_id, source), stamp=stamp)
    names = tuple(each for each in history.merged_from if each != target)
    context = _with_history(context, replace(history, clock=stamp, merged_from=names))
    context = context.send(Output(word, target), *_stopped(context, event, target))
    return _give(context, chosen, event.customer_id, event.to_customer_id, event.agent_id)


def _stopped(context: FoldContext, event: CustomersSplit, target: str) -> list[Output]:
    """Keeps stopped what is stopped, whoever the address belongs to; as history, so that nobody is told again."""
    return [
        Output(
            ConsentChanged(
                event_id=event_id("split", event.event_id, "stop", address),
                occurred_at=event.occurred_at,
                received_at=event.received_at,
                customer_tag=target,
                source="tickets",
                imported=True,
                causation_depth=event.causation_depth + 1,
                customer_id=event.to_customer_id,
                address=address,
                wish="stop",
            ),
            target,
        )
        for address in context.customer.opted_out
    ]


def _told_of_split(context: FoldContext, event: CustomersSplit, source: str) -> FoldContext:
    """Lets a customer who is named by a split stand on their own, unless a later merge says otherwise."""
    history = context.customer.merge_history or _UNKNOWN
    merged_into = history.merged_into
    context = _with_history(context, replace(history, clock=max(history.clock, event.stamp)))
    if merged_into is not None and (event.stamp, source) > (merged_into.stamp, event.customer_tag):
        context = _without_merge(context)
    return context.replace(customer=_called(context.customer, event.to_customer_id))


# -- tickets that change hands ----------------------------------------------------------------------------------------


def _give(context: FoldContext, tickets: list[Ticket], giver: str, receiver: str, agent: str) -> FoldContext:
    """Write the tickets to the log of `receiver`, and remember who has them."""
    if not tickets:
        return context
    event, customer, target = context.event, context.customer, customer_tag(receiver)
    outputs, left = [], []
    for ticket in tickets:
        name = ticket.id_at(event.customer_tag)
        moves = 1 if ticket.adopted is None else ticket.adopted.moves + 1
        adopted = TicketAdopted(
            event_id=_adoption_id(name, moves),
            occurred_at=event.occurred_at,
            received_at=event.received_at,
            customer_tag=target,
            channel=ticket.channel,
            source="tickets",
            imported=event.imported,
            causation_depth=event.causation_depth + 1,
            ticket_id=name,
            from_customer_id=giver,
            into_customer_id=receiver,
            ticket=_CODEC.dump(b"c", Customer(tickets=(ticket,), episodes=episodes.of_ticket(customer, name))),
            moves=moves,
            version=ticket.version_at(context.position.offset),
            agent_id=agent,
        )
        outputs.append(Output(adopted, target))
        left.append(MovedTicket(name, target, moves, ticket.conversation.thread_ids))
    numbers = {ticket.number for ticket in tickets}
    names = {each.ticket_id for each in left}
    customer = replace(
        customer,
        tickets=tuple(each for each in customer.tickets if each.number not in numbers),
        episodes=tuple(each for each in customer.episodes if each.ticket_id not in names),
    )
    return context.replace(customer=_gone(customer, left)).send(*outputs)


def _adopted(context: FoldContext, event: TicketAdopted) -> FoldContext:
    customer, name = context.customer, event.ticket_id
    history = customer.merge_history or _UNKNOWN
    gone, held = history.gone(name), find(customer, name, event.customer_tag)
    known = max(gone.moves if gone else 0, held.adopted.moves if held and held.adopted else 0)
    if known >= event.moves:
        return context.replace(forwarded=True)  # written again after a crash: it was here, and may be elsewhere by now
    brought = _carried(event.ticket)
    if history.merged_into is not None:
        moves, merged_into = event.moves + 1, history.merged_into
        onward = _addressed(
            event,
            merged_into.tag,
            event_id=_adoption_id(name, moves),
            into_customer_id=merged_into.customer_id,
            moves=moves,
        )
        left = MovedTicket(name, merged_into.tag, moves, brought.tickets[0].conversation.thread_ids)
        return _send_on(context.replace(customer=_gone(customer, [left])), onward)
    tag, number = split_ticket_id(name) or ("", 0)
    if tag != event.customer_tag:
        number = customer.next_number
    version_offset = max(0, event.version + 1 - context.position.offset)
    brought_ticket = brought.tickets[0]
    ticket = replace(
        brought_ticket,
        number=number,
        adopted=Adopted(name, event.moves, version_offset),
        request=replace(brought_ticket.request, verified=UNVERIFIED),  # it was that of the customer before
    )
    others = tuple(each for each in customer.tickets if each is not held)
    customer = replace(
        _called(customer, event.into_customer_id),
        tickets=(*others, ticket),
        next_number=max(customer.next_number, number + 1),
        merge_history=replace(history, moved_tickets=tuple(each for each in history.moved_tickets if each is not gone)),
    )
    return invite.taken_over(context.replace(customer=customer), brought.episodes, version_offset)


def ended_here(customer: Customer, before: tuple[Ticket, ...]) -> Customer:
    """Remember those of the tickets that came from somebody else and are dropped now: a survey may come weeks later."""
    kept = {ticket.number for ticket in customer.tickets}
    dropped = [each for each in before if each.adopted is not None and each.number not in kept]
    return _gone(
        customer, [MovedTicket(each.adopted.ticket_id, "", each.adopted.moves) for each in dropped if each.adopted]
    )


def _carried(state: bytes) -> Customer:
    """Returns the customer that an event carries; raises `Refused` (`bad_state`) for bytes that are none."""
    try:
        customer: Customer = _CODEC.load(b"c", state)
    except StateFromTheFuture:
        raise
    except Exception as error:  # DecodeError, UnicodeDecodeError, IndexError, ... on bad bytes
        raise Refused("bad_state", f"{type(error).__name__}: {error}") from error
    return customer


def _adoption_id(ticket: str, moves: int) -> str:
    return event_id("adopted", ticket, str(moves))


# -- what is known of a customer --------------------------------------------------------------------------------------


def _learned(customer: Customer, known: bytes) -> Customer:
    """Fills gaps with what was known of the other one; what they said and heard lately counts for both."""
    if not known:
        return customer
    other = _carried(known)
    reasons = dict(sorted((*other.reasons, *customer.reasons), key=lambda each: each[1]))
    heard = sorted((*customer.acknowledgements, *other.acknowledgements), key=lambda each: each.at)
    return replace(
        customer,
        name=customer.name or other.name,
        language=customer.language or other.language,
        tier=customer.tier or other.tier,
        reasons=tuple(sorted(reasons.items(), key=lambda each: (each[1], each[0])))[-KEPT_REASONS:],
        acknowledgements=tuple(heard)[-REMEMBERED:],
        last_low_csat_at=max(customer.last_low_csat_at or 0, other.last_low_csat_at or 0) or None,
        opted_out=tuple(dict.fromkeys((*customer.opted_out, *other.opted_out)))[-MOST_OPTED_OUT:],
        invited=tuple(sorted({*customer.invited, *other.invited}))[-MOST_INVITATIONS:],
        orders=customer.with_orders(other),
    )


def _names_in(known: bytes) -> tuple[str, ...]:
    """Returns the tags that had been merged into the other one before."""
    history = _carried(known).merge_history if known else None
    return () if history is None else history.merged_from


def _called(customer: Customer, customer_id: str) -> Customer:
    return customer if customer.customer_id else replace(customer, customer_id=customer_id)


# -- history ------------------------------------------------------------------------------------------------------------


def _send_on(context: FoldContext, event: Event) -> FoldContext:
    return context.replace(forwarded=True).send(Output(event, event.customer_tag))


def _with_history(context: FoldContext, history: MergeHistory) -> FoldContext:
    return context.replace(customer=replace(context.customer, merge_history=history))


def _with_names(context: FoldContext, *tags: str) -> FoldContext:
    history = context.customer.merge_history
    assert history is not None
    names = tuple(dict.fromkeys((*history.merged_from, *(each for each in tags if each != context.event.customer_tag))))
    return _with_history(context, replace(history, merged_from=names[-KEPT_NAMES:]))


def _without_merge(context: FoldContext) -> FoldContext:
    assert context.customer.merge_history is not None
    return _with_history(context, replace(context.customer.merge_history, merged_into=None))


def _gone(customer: Customer, left: list[MovedTicket]) -> Customer:
    if not left:
        return customer
    history, names = customer.merge_history or _UNKNOWN, {each.ticket_id for each in left}
    away = (*(each for each in history.moved_tickets if each.ticket_id not in names), *left)[-KEPT_MOVED:]
    return replace(customer, merge_history=replace(history, moved_tickets=away))


#: Folded by `step`.
KINDS = frozenset((CustomersMerged, CustomersSplit, TicketAdopted))
_ABOUT_TICKETS = frozenset(kind for kind in EVENTS if "ticket_id" in kind.__struct_fields__) - KINDS
_OF_CUSTOMERS = frozenset(kind for kind in EVENTS if "customer_id" in kind.__struct_fields__) - KINDS
