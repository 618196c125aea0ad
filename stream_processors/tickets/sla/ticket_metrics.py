"""Writes where the time of a ticket went: its status history, the measures of all its clocks, and who is charged.

The measures are the ticket's own: they need no policy with a target, they go on through reopenings, and they are
written in full (`TicketClocks`) whenever something changes that they depend on. Shares are written when a clock stops
or pauses, or the ticket changes hands; the clocks keep what was written, so that a correction takes it back by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from msgspec.structs import replace

from schemas.calendars import Calendar
from schemas.clock import MICROS
from schemas.events import CallEnded, Tick
from schemas.facts import ClockShare as ClockShareFact
from schemas.facts import TicketClocks
from stream_processors.runtime.processor import Output
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.lookup import finished_at, heard_of
from stream_processors.tickets.observations import (
    FirstResponseRestated,
    FirstResponseWithdrawn,
    NextResponse,
    NextResponseRestated,
    NextResponseWithdrawn,
    Observation,
    RequesterWaited,
    Solved,
)
from stream_processors.tickets.sla.clocks import called_at, left
from stream_processors.tickets.sla.ledger import Ledger
from stream_processors.tickets.sla.status_history import UNFINISHED, Time, began, record_status, shorten, time_in_status
from stream_processors.tickets.state import Clock, ClockShare, NextResponseTotals, Ticket, TimeInStatus

__all__ = ["step"]

_NONE = TimeInStatus("")
_OF_STATES = ("new", "open", "agent_wait", "on_hold", "agent_work", "requester_wait", "unassigned")
_NO_TIME = [(name, Time()) for name in _OF_STATES]


def step(context: FoldContext) -> FoldContext:
    """Write down how the ticket stands from now on, and what its clocks have come to."""
    ticket = context.ticket
    if ticket is None or type(context.event) is Tick or not ticket.sla.status_history:
        return context
    before, calendar = context.ticket_before, context.measured_in(ticket)
    since = _waited_since(context, ticket)
    ticket = _live(context, _waited(context, ticket, since, calendar))
    ticket = _moved(context, ticket)
    if len(ticket.sla.status_history) > 1:
        ticket = shorten(ticket, calendar, context.calendar_of)
    outputs = _shares(context, ticket, before)
    if before is None or _matters(before, ticket):
        fact = _fact(context, ticket, calendar)
        outputs.append(Output(fact))
        context = _solved(context, fact)
    if outputs or ticket is not context.ticket:
        context = context.replace(ticket=ticket).send(*outputs)
    return context if context.replied_at is None else _responded(context, ticket, since)


def _moved(context: FoldContext, ticket: Ticket) -> Ticket:
    """Returns the ticket with its newest status change. Whoever held it so far is charged first."""
    last = ticket.sla.status_history[-1]
    team = ticket.team  # it has been routed
    if (last.status, last.team, last.agent) == (ticket.status, team, ticket.assignee):
        return ticket
    if (last.team, last.agent) != (team, ticket.assignee):
        ledger = Ledger(context, ticket, team)
        ledger.charge_running(max(context.now, last.at))
        ticket = ledger.ticket
    return record_status(ticket, context.now, team)


# -- measures ---------------------------------------------------------------------------------------------------------


def _waited(context: FoldContext, ticket: Ticket, since: int | None, calendar: Calendar | None) -> Ticket:
    """Returns the ticket with the wait for a next response that this event ends or restates."""
    at, waits = context.replied_at, ticket.sla.next_responses
    if at is None or context.ticket_before is None:
        return ticket
    if since is not None:
        if waits is None:
            waits = NextResponseTotals(since, at, 1)
        else:
            twice = _overlap(ticket, waits, calendar)
            sums = (*_sums(waits, calendar), waits.answered_at, *twice)
            waits = NextResponseTotals(since, at, waits.count + 1, *sums)
    elif waits is not None and waits.started_at <= at < waits.answered_at:
        waits = replace(waits, answered_at=at)
    else:
        return ticket
    return replace(ticket, sla=replace(ticket.sla, next_responses=waits))


def _waited_since(context: FoldContext, ticket: Ticket) -> int | None:
    """Returns since when the customer waited for the answer of this event, if it is a next response; else None.

    From the oldest message that waited after an answer, or after a reopening; who called, since it rang.
    """
    at, event = context.replied_at, context.event
    before = context.ticket_before
    if at is None or before is None or (before.milestones.first_response_at is None and ticket.episode == 1):
        return None
    since = [each for each in before.conversation.unanswered if each <= at]
    if (finished := finished_at(before)) is not None and at <= finished:  # it was answered before it was solved
        since += [each for each in before.conversation.unanswered_at_solve if each <= at]
    if isinstance(event, CallEnded) and not heard_of(before, event):
        since.append(called_at(event, context.now))
    return min(since, default=None)


def _sums(waits: NextResponseTotals, calendar: Calendar | None) -> tuple[int, int, int, int]:
    """Returns (sum, sum of working time, longest, longest in working time) of all waits, the last one included."""
    micros, business = Time.between(waits.started_at, waits.answered_at, calendar)
    return (
        waits.micros + micros,
        waits.business + business,
        max(waits.longest, micros),
        max(waits.longest_business, business),
    )


def _overlap(ticket: Ticket, waits: NextResponseTotals, calendar: Calendar | None) -> Time:
    """Returns how much of all waits, the last one included, an earlier wait covers as well: that until the first response, or another.

    A reopened ticket that nobody had answered waits for both; a message that arrives after an answer that is younger than it
    has waited since before that answer.
    """
    first = ticket.milestones.first_response_at or 0
    covered = min(waits.answered_at, max(first, waits.previous_at))
    last = Time.between(waits.started_at, covered, calendar)
    return Time(waits.overlap, waits.overlap_business).plus(last)


def _live(context: FoldContext, ticket: Ticket) -> Ticket:
    """Returns the ticket with what this event says of its live conversation: does it still wait, and how long did it."""
    at, sla = context.replied_at, ticket.sla
    rang, answered, gone = sla.ringing_since, sla.answered, sla.abandoned
    if at is not None and answered is not None and answered[0] <= at < answered[1]:
        return replace(ticket, sla=replace(sla, answered=(answered[0], at)))
    if rang is None:
        # they were answered before they left, and we hear of it late
        if at is not None and gone is not None and gone[0] <= at <= gone[1]:
            return replace(ticket, sla=replace(sla, answered=answered or (gone[0], at), abandoned=None))
        return ticket
    if at is not None and at >= rang:
        sla = replace(sla, answered=answered or (rang, at), ringing_since=None, abandoned=None)
        return replace(ticket, sla=sla)
    if left(context.event, ticket) or finished_at(ticket) is not None:
        return replace(ticket, sla=replace(sla, ringing_since=None, abandoned=(rang, context.now)))
    return ticket


def _matters(before: Ticket, ticket: Ticket) -> bool:
    return (
        before.sla.status_history != ticket.sla.status_history
        or before.milestones.first_response_at != ticket.milestones.first_response_at
        or before.milestones.acknowledged_at != ticket.milestones.acknowledged_at
        or before.sla.next_responses != ticket.sla.next_responses
        or before.sla.answered != ticket.sla.answered
        or before.milestones.first_solved_at != ticket.milestones.first_solved_at
        or before.milestones.last_solved_at != ticket.milestones.last_solved_at
    )


def _fact(context: FoldContext, ticket: Ticket, calendar: Calendar | None) -> TicketClocks:
    at = max(context.now, ticket.sla.status_history[-1].at)
    waits, works = ticket.sla.next_responses, calendar is not None
    measures: dict[str, float] = {}
    for name, time in _measures(ticket, at, calendar):
        seconds, business_seconds = _fields(name)
        measures[seconds] = time.micros / MICROS
        if works:
            measures[business_seconds] = time.business / MICROS
    return TicketClocks(
        customer_tag=context.event.customer_tag,
        version=ticket.version_at(context.position.offset),
        partition=context.position.partition,
        at=at,
        ticket_id=ticket.id_at(context.event.customer_tag),
        episode=ticket.episode,
        status=ticket.status,
        created_at=ticket.created_at,
        channel=ticket.channel,
        priority=ticket.priority,
        team=ticket.team,
        agent_id=ticket.assignee,
        policy=ticket.sla.policy,
        policy_version=ticket.sla.policy_version,
        calendar=ticket.sla.calendar,
        calendar_version=ticket.sla.calendar_version,
        next_responses=0 if waits is None else waits.count,
        brand=ticket.brand,
        **measures,
    )


@cache
def _fields(measure: str) -> tuple[str, str]:
    """Returns the names of a measure's fields in the fact: of all time, and of working time."""
    return f"{measure}_seconds", f"{measure}_business_seconds"


def _measures(ticket: Ticket, at: int, calendar: Calendar | None) -> list[tuple[str, Time]]:
    """Returns those measures of the ticket that are defined at `at`."""
    created, found = ticket.created_at, []
    for name, until in (
        ("acknowledgement", ticket.milestones.acknowledged_at),
        ("first_response", ticket.milestones.first_response_at),
        ("first_resolution", ticket.milestones.first_solved_at),
        ("full_resolution", ticket.milestones.last_solved_at if finished_at(ticket) is not None else None),
    ):
        if until is not None:
            found.append((name, Time.between(created, until, calendar)))
    if ticket.sla.answered is not None:
        found.append(("answer", Time.between(*ticket.sla.answered, calendar)))
    waits = ticket.sla.next_responses
    if waits is not None:
        micros, business, longest, longest_business = _sums(waits, calendar)
        found.append(("next_response_last", Time.between(waits.started_at, waits.answered_at, calendar)))
        found.append(("next_response_sum", Time(micros, business)))
        found.append(("next_response_longest", Time(longest, longest_business)))
    if ticket.milestones.first_response_at is not None:
        found.append(("reply", _waited_in_all(ticket, dict(found)["first_response"], calendar)))
    if began(ticket):
        found += _states(time_in_status(ticket, at, calendar))
    return found


def _waited_in_all(ticket: Ticket, first: Time, calendar: Calendar | None) -> Time:
    """Returns the time for which the customer waited for an answer in all; no minute counts twice."""
    waits = ticket.sla.next_responses
    if waits is None:
        return first
    micros, business, _, _ = _sums(waits, calendar)
    twice = _overlap(ticket, waits, calendar)
    return Time(first.micros + micros - twice.micros, first.business + business - twice.business)


def _states(found: dict[str, TimeInStatus]) -> list[tuple[str, Time]]:
    """Returns the time in each state, and the sums of them that have a name of their own."""
    if not found:
        return _NO_TIME
    new, opened, pending, hold = (found.get(status, _NONE) for status in UNFINISHED)
    work = Time(new.micros + opened.micros, new.business + opened.business)
    every = (new, opened, pending, hold)
    free = Time(sum(each.unassigned for each in every), sum(each.unassigned_business for each in every))
    return [
        ("new", Time(new.micros, new.business)),
        ("open", Time(opened.micros, opened.business)),
        ("agent_wait", Time(pending.micros, pending.business)),
        ("on_hold", Time(hold.micros, hold.business)),
        ("agent_work", work),
        ("requester_wait", work.plus(Time(hold.micros, hold.business))),
        ("unassigned", free),
    ]


# -- what the windows count ------------------------------------------------------------------------------------------


def _solved(context: FoldContext, fact: TicketClocks) -> FoldContext:
    """Observes, right after a solve and in its dimensions, how long the customer has waited for us in all until then."""
    seconds = fact.requester_wait_seconds
    if seconds is None or not context.has_observed(Solved):
        return context
    observed = list[Observation]()
    for each in context.observed:
        observed.append(each)
        if type(each) is Solved:
            observed.append(RequesterWaited(each.at, each.ticket, seconds))
    return context.replace(observed=tuple(observed))


def _responded(context: FoldContext, ticket: Ticket, since: int | None) -> FoldContext:
    """Observes the answer of this event if it is a next response, and what an answer from before another one restates."""
    at, before, found = context.replied_at, context.ticket_before, list[Observation]()
    assert at is not None
    if since is not None:
        found.append(NextResponse(at, ticket, (at - since) / MICROS))
    if before is not None:
        found += _restated(before, ticket)
    return context.replace(observed=(*context.observed, *found)) if found else context


def _restated(before: Ticket, ticket: Ticket) -> Iterator[Observation]:
    """Yields what changes places when an answer arrives that is older than the one that was counted."""
    old, new = before.milestones.first_response_at, ticket.milestones.first_response_at
    if old is not None and new is not None and new < old:
        due = next((clock.due_at for clock in ticket.clocks if clock.name == "first_response"), None)
        for kind, at in ((FirstResponseWithdrawn, old), (FirstResponseRestated, new)):
            within, seconds = due is None or at < due, max(0, at - ticket.created_at) / MICROS
            yield kind(at, _with_team_at(ticket, at), seconds, within)
    waits, waited = before.sla.next_responses, ticket.sla.next_responses
    if (
        waits is not None
        and waited is not None
        and waits.count == waited.count
        and waited.answered_at < waits.answered_at
    ):
        for at, moved in ((waits.answered_at, NextResponseWithdrawn), (waited.answered_at, NextResponseRestated)):
            yield moved(at, _with_team_at(ticket, at), (at - waited.started_at) / MICROS)


def _with_team_at(ticket: Ticket, at: int) -> Ticket:
    team = next((each.team for each in reversed(ticket.sla.status_history) if each.at <= at), ticket.team)
    return replace(ticket, team=team)


# -- shares -----------------------------------------------------------------------------------------------------------


def _shares(context: FoldContext, ticket: Ticket, before: Ticket | None) -> list[Output]:
    """Returns a fact for every share that has changed. Who turns out to have none any more gets a share of 0."""
    if before is not None and before.clocks is ticket.clocks:
        return []
    known = {} if before is None else {clock.name: clock for clock in before.clocks}
    outputs = []
    for clock in ticket.clocks:
        old = known.get(clock.name)
        if old is clock:
            continue
        was: tuple[ClockShare, ...] = () if old is None or old.episode != clock.episode else old.charges.written
        if clock.charges.written is was or clock.charges.written == was:
            continue
        shares = {(each.team, each.agent): each for each in was}
        now = {(each.team, each.agent): each for each in clock.charges.written}
        gone = {holder: ClockShare(*holder, 0) for holder in shares.keys() - now.keys()}
        for holder, share in sorted((now | gone).items()):
            if share != shares.get(holder):
                outputs.append(Output(_share(context, ticket, clock, share, context.calendar_of(clock) is not None)))
    return outputs


def _share(context: FoldContext, ticket: Ticket, clock: Clock, share: ClockShare, business: bool) -> ClockShareFact:
    return ClockShareFact(
        customer_tag=context.event.customer_tag,
        version=ticket.version_at(context.position.offset),
        partition=context.position.partition,
        at=context.now,
        ticket_id=ticket.id_at(context.event.customer_tag),
        episode=clock.episode,
        clock=clock.name,
        team=share.team,
        agent_id=share.agent,
        seconds=share.micros / MICROS,
        business_seconds=share.business / MICROS if business else None,
        channel=ticket.channel,
        priority=ticket.priority,
        policy=clock.terms.policy,
        policy_version=clock.terms.policy_version,
        calendar=clock.terms.calendar,
        brand=ticket.brand,
    )
