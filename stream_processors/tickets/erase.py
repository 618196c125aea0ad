"""Forgets a customer, in two parts with the log between them (ADR 52).

The first part takes what was written and who wrote it out of the state, and writes to the customer's own log: a
`StatusChanged` that closes each open ticket, so that the router, the clocks and the windows end it as they end any other,
and then the `ErasureRequested` of the second part. It also writes the request to the log of everybody who is the
same person by a merge. The second part drops the tickets and the episodes; with nothing left to remember the state goes.

The second part is never in one batch with anything from before the first. So after a crash nothing of what was
dropped is folded again.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from schemas.events import ErasureRequested, StatusChanged
from schemas.identity import event_id
from stream_processors.runtime.processor import Output
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.state import Customer, Ticket

__all__ = ["AUTHOR", "is_forgotten", "step"]

#: Who closes the tickets.
AUTHOR = "erasure"


def step(context: FoldContext, event: ErasureRequested) -> FoldContext:
    """Folds one part of an erasure."""
    return _dropped(context, event) if event.below else _scrubbed(context, event)


def is_forgotten(event: Any, customer: Customer) -> bool:
    """Returns true when the last part of an erasure left nothing of a customer that has to be remembered."""
    return (
        type(event) is ErasureRequested
        and event.below > 0
        and not customer.tickets
        and not customer.opted_out
        and not customer.customer_id
    )


def _scrubbed(context: FoldContext, event: ErasureRequested) -> FoldContext:
    customer = replace(context.customer.forgotten(), tickets=tuple(map(_without_words, context.customer.tickets)))
    if (history := customer.merge_history) is not None:
        away = tuple(replace(each, threads=()) for each in history.moved_tickets)
        customer = replace(customer, merge_history=replace(history, moved_tickets=away))
    return context.replace(customer=customer).send(
        *_same_person(customer, event),
        *(_closed(event, ticket) for ticket in customer.tickets if ticket.status != "closed"),
        _last_part(event, customer),
    )


def _without_words(ticket: Ticket) -> Ticket:
    return replace(
        ticket,
        request=replace(ticket.request, subject="", address="", order_number=""),
        conversation=replace(ticket.conversation, thread_ids=(), message_ids=(), last_message_id="", participants=()),
    )


def _same_person(customer: Customer, event: ErasureRequested) -> list[Output]:
    """Writes the request on; who has seen it already passes over it, by its id."""
    history = customer.merge_history
    if history is None:
        return []
    into = () if history.merged_into is None else (history.merged_into.tag,)
    named = dict.fromkeys((*into, *history.merged_from))
    depth, request = event.causation_depth + 1, event.request_id or event.event_id
    return [Output(replace(event, customer_tag=tag, request_id=request, causation_depth=depth), tag) for tag in named]


def _closed(event: ErasureRequested, ticket: Ticket) -> Output:
    name = ticket.id_at(event.customer_tag)
    closed = StatusChanged(
        **_caused(event, event_id("erasure", event.event_id, name)), ticket_id=name, agent_id="", status="closed"
    )
    return Output(closed, event.customer_tag)


def _last_part(event: ErasureRequested, customer: Customer) -> Output:
    caused = _caused(event, event_id("erasure", event.event_id, event.customer_tag))
    request = event.request_id or event.event_id
    last = ErasureRequested(**caused, request_id=request, below=customer.next_number)
    return Output(last, event.customer_tag)


def _caused(event: ErasureRequested, new_id: str) -> dict[str, Any]:
    return {
        "event_id": new_id,
        "occurred_at": event.occurred_at,
        "received_at": event.received_at,
        "customer_tag": event.customer_tag,
        "source": AUTHOR,
        "imported": event.imported,
        "causation_depth": event.causation_depth + 1,
    }


def _dropped(context: FoldContext, event: ErasureRequested) -> FoldContext:
    """Keeps what came after the first part, and the digests of addresses that want nothing."""
    customer = context.customer
    kept = tuple(each for each in customer.tickets if each.number >= event.below)
    if customer.customer_id or kept:  # they wrote again meanwhile
        names = {each.id_at(event.customer_tag) for each in kept}
        episodes = tuple(each for each in customer.episodes if each.ticket_id in names)
        return context.replace(customer=replace(customer, tickets=kept, episodes=episodes, merge_history=None))
    return context.replace(
        customer=Customer(opted_out=customer.opted_out, next_number=customer.next_number, offset=customer.offset)
    )
