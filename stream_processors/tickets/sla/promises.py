"""Keeps what became of each time that an acknowledgement promised an answer by: a fact when it is given, and one when it is decided.

- It is kept when a person answers publicly by then, the named minute included; broken when that minute has passed.
- An answer from before the promised time that arrives late takes the break back: the fact says `kept`, at a higher version.
- What is solved or closed without an answer before then leaves nothing to keep (`ended`), and nothing to break later.
- A reopened ticket that is acknowledged anew has a new promise; each episode has one at most.
"""

from __future__ import annotations

from msgspec.structs import replace

from schemas.events import Tick
from schemas.facts import PromiseFact
from stream_processors.runtime.processor import Output
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.lookup import finished_at
from stream_processors.tickets.observations import Observation, PromiseBroken, PromiseCorrected, PromiseKept
from stream_processors.tickets.state import Customer, Promise, Ticket

__all__ = ["expire", "next_deadline", "step"]

#: Kind of what is observed when a promise is decided, by its outcome before and after.
_DECIDED: dict[tuple[str, str], tuple[type[Observation], ...]] = {
    ("open", "kept"): (PromiseKept,),
    ("open", "broken"): (PromiseBroken,),
    ("ended", "kept"): (PromiseKept,),
    ("broken", "kept"): (PromiseCorrected, PromiseKept),
}


def next_deadline(customer: Customer) -> int | None:
    """Returns the first instant (micros) at which an open promise of this customer is broken; None without one."""
    ends = [each.promise.broken_from for each in customer.tickets if each.promise and each.promise.outcome == "open"]
    return min(ends, default=None)


def expire(context: FoldContext) -> FoldContext:
    """Breaks the promises of this customer whose time has passed by now."""
    for ticket in context.customer.tickets:
        promise = ticket.promise
        if promise is not None and promise.outcome == "open" and promise.broken_from <= context.now:
            context = _broken(context, ticket, promise)
    return context


def _broken(context: FoldContext, ticket: Ticket, promise: Promise) -> FoldContext:
    changed = replace(ticket, promise=replace(promise, outcome="broken"))
    context = _decided(context, changed, promise, promise.broken_from)
    tickets = tuple(changed if each is ticket else each for each in context.customer.tickets)
    return context.replace(customer=replace(context.customer, tickets=tickets))


def step(context: FoldContext) -> FoldContext:
    """Records a promise that this event gave, keeps or breaks one that it answers, and ends one that nobody waits for."""
    ticket = context.ticket
    if ticket is None or (promise := ticket.promise) is None or type(context.event) is Tick:
        return context
    before = context.ticket_before
    known = None if before is None else before.promise
    if known is None or known.episode != promise.episode:
        return context.write(_fact(context, ticket, promise, context.now))
    at = context.replied_at
    if at is not None and promise.given_at <= at and (promise.answered_at is None or at < promise.answered_at):
        outcome = "broken" if at >= promise.broken_from else "kept"
        if (promise.outcome, outcome) == ("ended", "broken"):
            return context
        answered = replace(ticket, promise=replace(promise, answered_at=at, outcome=outcome))
        return _decided(context.replace(ticket=answered), answered, promise, at)
    if promise.outcome == "open" and finished_at(ticket) is not None:
        ended = replace(ticket, promise=replace(promise, outcome="ended"))
        return _decided(context.replace(ticket=ended), ended, promise, context.now)
    return context


def _decided(context: FoldContext, ticket: Ticket, before: Promise, at: int) -> FoldContext:
    promise = ticket.promise
    assert promise is not None
    observed = [kind(at, ticket) for kind in _DECIDED.get((before.outcome, promise.outcome), ())]
    fact = _fact(context, ticket, promise, at)
    # one fact of a promise for each record: what it comes to at its end
    others = tuple(each for each in context.outputs if not _is_about(each.record, fact))
    context = context.replace(outputs=(*others, Output(fact)))
    return context.replace(observed=(*context.observed, *observed)) if observed else context


def _is_about(record: object, fact: PromiseFact) -> bool:
    return type(record) is PromiseFact and (record.ticket_id, record.episode) == (fact.ticket_id, fact.episode)


def _fact(context: FoldContext, ticket: Ticket, promise: Promise, at: int) -> PromiseFact:
    return PromiseFact(
        **{**context.fact_header(ticket), "at": at},
        ticket_id=ticket.id_at(context.event.customer_tag),
        episode=promise.episode,
        channel=promise.channel,
        team=ticket.team or context.team,
        policy=promise.policy,
        given_at=promise.given_at,
        promised_at=promise.promised_at,
        answered_at=promise.answered_at,
        outcome=promise.outcome,
    )
