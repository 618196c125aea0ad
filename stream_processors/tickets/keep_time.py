"""keep_time: where the time of a ticket went: its stations, the measures of all its clocks, and who is charged.

The measures are the ticket's own: they need no policy with a target, they go on through reopenings, and they are
written in full (`TicketClocks`) whenever something changes that they depend on. Shares are written when a clock stops
or pauses, or the ticket changes hands; the clocks keep what was written, so that a correction takes it back by name.
"""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.clock import MICROS
from schemas.events import CallEnded, Tick
from schemas.facts import ClockShare, TicketClocks
from stream_processors.calendars import Calendar
from stream_processors.processor import Output
from stream_processors.tickets.ledger import Ledger
from stream_processors.tickets.measure_sla import called_at, left
from stream_processors.tickets.state import Clock, Share, Spell, Ticket, Waits
from stream_processors.tickets.thread import finished_at
from stream_processors.tickets.timeline import Time, began, shorten, spells, stand
from stream_processors.tickets.turn import Turn

__all__ = ["step"]

_NONE = Spell("")


def step(turn: Turn) -> Turn:
    """Write down how the ticket stands from now on, and what its clocks have come to."""
    ticket = turn.ticket
    if ticket is None or type(turn.event) is Tick or not ticket.stations:
        return turn
    before = next((each for each in turn.before.tickets if each.number == ticket.number), None)
    calendar = turn.measured_in(ticket)
    ticket = _live(turn, _waited(turn, ticket, before, calendar))
    ticket = _moved(turn, ticket)
    if len(ticket.stations) > 1:
        ticket = shorten(ticket, calendar, turn.calendar_of)
    outputs = _shares(turn, ticket, before)
    if before is None or _matters(before, ticket):
        outputs.append(Output(_fact(turn, ticket, calendar)))
    if not outputs and ticket is turn.ticket:
        return turn
    return turn.but(ticket=ticket, outputs=(*turn.outputs, *outputs))


def _moved(turn: Turn, ticket: Ticket) -> Ticket:
    """The ticket at its new station. Whoever held it so far is charged first."""
    last = ticket.stations[-1]
    team = ticket.team or turn.team
    if (last.status, last.team, last.agent) == (ticket.status, team, ticket.assignee):
        return ticket
    since = turn.replied_at if isinstance(turn.event, CallEnded) else None
    if since is not None and since < turn.now:  # they spoke from then until now
        taken = stand(msgspec.structs.replace(ticket, status=last.status), since, team)
        ticket = msgspec.structs.replace(ticket, stations=taken.stations)
    elif (last.team, last.agent) != (team, ticket.assignee):
        ledger = Ledger(turn, ticket, team)
        ledger.charge_running(max(turn.now, last.at))
        ticket = ledger.ticket
    return stand(ticket, turn.now, team)


# -- measures ---------------------------------------------------------------------------------------------------------


def _waited(turn: Turn, ticket: Ticket, before: Ticket | None, calendar: Calendar | None) -> Ticket:
    """The customer's waits for a next response, with the one that this event ends or restates."""
    at, waits, event = turn.replied_at, ticket.waits, turn.event
    if at is None or before is None:
        return ticket
    since = min((each for each in before.unanswered if each <= at), default=None)
    if isinstance(event, CallEnded):
        rang = called_at(event, turn.now)
        since = rang if since is None else min(since, rang)
    if since is not None and (before.first_response_at is not None or ticket.episode > 1):
        known = _sums(waits, calendar)
        waits = Waits(since, at, 1) if waits is None else Waits(since, at, waits.count + 1, *known)
    elif since is None and waits is not None and waits.started_at <= at < waits.answered_at:
        waits = msgspec.structs.replace(waits, answered_at=at)
    else:
        return ticket
    return msgspec.structs.replace(ticket, waits=waits)


def _sums(waits: Waits | None, calendar: Calendar | None) -> tuple[int, int, int, int]:
    """(sum, sum of working time, longest, longest in working time) of all waits, the last one included."""
    if waits is None:
        return 0, 0, 0, 0
    micros, business = Time.between(waits.started_at, waits.answered_at, calendar)
    return (
        waits.micros + micros,
        waits.business + business,
        max(waits.longest, micros),
        max(waits.longest_business, business),
    )


def _live(turn: Turn, ticket: Ticket) -> Ticket:
    """Whether a live conversation still waits for a person, and how long the first that was answered did."""
    at, rang, answered = turn.replied_at, ticket.rang_at, ticket.answered
    if at is not None and answered is not None and answered[0] <= at < answered[1]:
        return msgspec.structs.replace(ticket, answered=(answered[0], at))
    if rang is None:
        return ticket
    if at is not None and at >= rang:
        return msgspec.structs.replace(ticket, answered=answered or (rang, at), rang_at=None)
    if left(turn.event, ticket) or finished_at(ticket) is not None:
        return msgspec.structs.replace(ticket, rang_at=None)
    return ticket


def _matters(before: Ticket, ticket: Ticket) -> bool:
    return (
        before.stations != ticket.stations
        or before.first_response_at != ticket.first_response_at
        or before.acknowledged_at != ticket.acknowledged_at
        or before.waits != ticket.waits
        or before.answered != ticket.answered
        or before.first_solved_at != ticket.first_solved_at
        or before.last_solved_at != ticket.last_solved_at
    )


def _fact(turn: Turn, ticket: Ticket, calendar: Calendar | None) -> TicketClocks:
    created = ticket.created_at
    at = max(turn.now, ticket.stations[-1].at)
    measures: dict[str, float | None] = {}

    def measure(name: str, time: Time | None) -> None:
        if time is not None:
            measures[f"{name}_seconds"] = time.micros / MICROS
            if calendar is not None:
                measures[f"{name}_business_seconds"] = time.business / MICROS

    def span(name: str, since: int, until: int | None) -> None:
        if until is not None:
            measure(name, Time.between(since, until, calendar))

    span("acknowledgement", created, ticket.acknowledged_at)
    span("first_response", created, ticket.first_response_at)
    span("first_resolution", created, ticket.first_solved_at)
    if finished_at(ticket) is not None:
        span("full_resolution", created, ticket.last_solved_at)
    if ticket.answered is not None:
        span("answer", *ticket.answered)
    waits = ticket.waits
    if waits is not None:
        micros, business, longest, longest_business = _sums(waits, calendar)
        span("next_response_last", waits.started_at, waits.answered_at)
        measure("next_response_sum", Time(micros, business))
        measure("next_response_longest", Time(longest, longest_business))
    if began(ticket):
        _states(ticket, at, calendar, measure)
    return TicketClocks(
        customer_tag=turn.event.customer_tag,
        version=ticket.version_at(turn.position.offset),
        partition=turn.position.partition,
        at=at,
        ticket_id=ticket.id_at(turn.event.customer_tag),
        episode=ticket.episode,
        status=ticket.status,
        created_at=created,
        channel=ticket.channel,
        priority=ticket.priority,
        team=ticket.team,
        agent_id=ticket.assignee,
        policy=ticket.policy,
        policy_version=ticket.policy_version,
        calendar=ticket.calendar,
        next_responses=0 if waits is None else waits.count,
        **measures,
    )


def _states(ticket: Ticket, at: int, calendar: Calendar | None, measure: Any) -> None:
    """The time in each state, and the sums of them that have a name of their own."""
    found = spells(ticket, at, calendar)
    new, opened, pending, hold = (found.get(status, _NONE) for status in ("new", "open", "pending", "hold"))
    for name, parts in (
        ("new", (new,)),
        ("open", (opened,)),
        ("agent_wait", (pending,)),
        ("on_hold", (hold,)),
        ("agent_work", (new, opened)),
        ("requester_wait", (new, opened, hold)),
    ):
        measure(name, Time(sum(each.micros for each in parts), sum(each.business for each in parts)))
    every = (new, opened, pending, hold)
    free = sum(each.unassigned for each in every), sum(each.unassigned_business for each in every)
    measure("unassigned", Time(*free))


# -- shares -----------------------------------------------------------------------------------------------------------


def _shares(turn: Turn, ticket: Ticket, before: Ticket | None) -> list[Output]:
    """A fact for every share that has changed. Who turns out to have none any more gets a share of 0."""
    known = {} if before is None else {clock.name: clock for clock in before.clocks}
    outputs = []
    for clock in ticket.clocks:
        old = known.get(clock.name)
        was: tuple[Share, ...] = () if old is None or old.episode != clock.episode else old.written
        if clock.written is was or clock.written == was:
            continue
        shares = {(each.team, each.agent): each for each in was}
        now = {(each.team, each.agent): each for each in clock.written}
        gone = {holder: Share(*holder, 0) for holder in shares.keys() - now.keys()}
        for holder, share in sorted((now | gone).items()):
            if share != shares.get(holder):
                outputs.append(Output(_share(turn, ticket, clock, share, turn.calendar_of(clock) is not None)))
    return outputs


def _share(turn: Turn, ticket: Ticket, clock: Clock, share: Share, business: bool) -> ClockShare:
    return ClockShare(
        customer_tag=turn.event.customer_tag,
        version=ticket.version_at(turn.position.offset),
        partition=turn.position.partition,
        at=turn.now,
        ticket_id=ticket.id_at(turn.event.customer_tag),
        episode=clock.episode,
        clock=clock.name,
        team=share.team,
        agent_id=share.agent,
        seconds=share.micros / MICROS,
        business_seconds=share.business / MICROS if business else None,
        channel=ticket.channel,
        priority=ticket.priority,
        policy=clock.policy,
        calendar=clock.calendar,
    )
