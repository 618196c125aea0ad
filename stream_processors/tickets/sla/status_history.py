"""Measures time over the status history of a ticket, as a sum of pieces in whole microseconds.

A ticket remembers its last status changes, so that an answer that arrives late can still be charged to whoever held the
ticket then. Those before are summed up in `TicketSla.time_in_status` and in each clock (see `shorten`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from msgspec.structs import replace

from schemas.calendars import Calendar
from stream_processors.tickets.state import Clock, ClockCharges, ClockShare, StatusChange, Ticket, TimeInStatus

__all__ = [
    "KEPT_STATUS_CHANGES",
    "STATES",
    "UNFINISHED",
    "Time",
    "added",
    "began",
    "charged",
    "elapsed",
    "record_status",
    "shorten",
    "spent_in",
    "time_in_status",
]

#: So many status changes are remembered; most tickets have fewer than ten in their life.
KEPT_STATUS_CHANGES = 48
#: The states of the ticket in which a clock runs; one that is not here runs until it stops.
STATES = {
    "requester_wait": frozenset(("new", "open", "hold")),
    "agent_work": frozenset(("new", "open")),
}
UNFINISHED = ("new", "open", "pending", "hold")


class Time(NamedTuple):
    """Micros by the calendar on the wall, and working time; the latter is 0 without a business calendar."""

    micros: int = 0
    business: int = 0

    @classmethod
    def between(cls, since: int, until: int, calendar: Calendar | None) -> Time:
        """No time when `until` is not later."""
        if until <= since:
            return cls()
        return cls(until - since, 0 if calendar is None else calendar.business_micros(since, until))

    def plus(self, other: Time) -> Time:
        """Returns the sum of both."""
        return Time(self.micros + other.micros, self.business + other.business)


def began(ticket: Ticket) -> bool:
    """Returns true when the history reaches back to the opening: that of a ticket older than status histories does not."""
    return bool(ticket.sla.time_in_status) or (
        bool(ticket.sla.status_history) and ticket.sla.status_history[0].at <= ticket.created_at
    )


def record_status(ticket: Ticket, at: int, team: str) -> Ticket:
    """Returns the ticket, with a new status change at `at` if it stands differently now; never before the last one."""
    status_history = ticket.sla.status_history
    last = status_history[-1] if status_history else None
    if last is not None and (last.status, last.team, last.agent) == (ticket.status, team, ticket.assignee):
        return ticket
    since = at if last is None else max(at, last.at)
    change = StatusChange(since, ticket.status, team, ticket.assignee)
    kept = status_history[:-1] if last is not None and last.at == since else status_history
    return replace(ticket, sla=replace(ticket.sla, status_history=(*kept, change)))


def pieces(status_history: tuple[StatusChange, ...], since: int, until: int) -> Iterator[tuple[int, int, StatusChange]]:
    """Yields (start, end, change) of everything between two instants; what lies before the first change belongs to it."""
    last = len(status_history) - 1
    for place, change in enumerate(status_history):
        start = since if place == 0 else max(since, change.at)
        end = until if place == last else min(until, status_history[place + 1].at)
        if start < end:
            yield start, end, change


# -- clocks -----------------------------------------------------------------------------------------------------------


def elapsed(clock: Clock, status_history: tuple[StatusChange, ...], until: int, calendar: Calendar | None) -> Time:
    """Returns how long the clock has run until `until`: all the time, or that in its own states."""
    states = STATES.get(clock.name)
    if states is None:
        return Time.between(clock.started_at, until, calendar)
    total = Time(clock.charges.spent, clock.charges.spent_business)
    for start, end, change in pieces(status_history, max(clock.started_at, clock.charges.counted_from), until):
        if change.status in states:
            total = total.plus(Time.between(start, end, calendar))
    return total


def spent_in(clock: Clock, shares: tuple[ClockShare, ...]) -> Time:
    """Returns how long the clock has run when these shares are all of it since `counted_from`: as `elapsed`, without counting anew."""
    micros, business = clock.charges.spent, clock.charges.spent_business
    for share in shares:
        micros += share.micros
        business += share.business
    return Time(micros, business)


def charged(
    clock: Clock, status_history: tuple[StatusChange, ...], until: int, calendar: Calendar | None
) -> tuple[ClockShare, ...]:
    """Returns who held the ticket while this instance ran, without what lies before `counted_from`."""
    states = STATES.get(clock.name)
    since = max(clock.started_at, clock.charges.counted_from)
    if status_history and status_history[-1].at <= since:  # one holder all the time: nearly always
        last = status_history[-1]
        if until <= since or (states is not None and last.status not in states):
            return ()
        return (ClockShare(last.team, last.agent, *Time.between(since, until, calendar)),)
    held: dict[tuple[str, str], Time] = {}
    for start, end, change in pieces(status_history, max(clock.started_at, clock.charges.counted_from), until):
        if states is None or change.status in states:
            holder = change.team, change.agent
            held[holder] = held.get(holder, Time()).plus(Time.between(start, end, calendar))
    return tuple(ClockShare(team, agent, *time) for (team, agent), time in held.items())


def added(*several: Iterable[ClockShare]) -> tuple[ClockShare, ...]:
    """Returns one share for each holder."""
    held: dict[tuple[str, str], Time] = {}
    for shares in several:
        for share in shares:
            holder = share.team, share.agent
            held[holder] = held.get(holder, Time()).plus(Time(share.micros, share.business))
    return tuple(ClockShare(team, agent, *time) for (team, agent), time in held.items())


# -- the ticket -------------------------------------------------------------------------------------------------------


def time_in_status(ticket: Ticket, until: int, calendar: Calendar | None) -> dict[str, TimeInStatus]:
    """Returns the time that the ticket has spent in each state that it was in, by state, until `until`."""
    return _time_in_status(ticket.sla.time_in_status, ticket.sla.status_history, until, calendar)


def _time_in_status(
    known: tuple[TimeInStatus, ...], status_history: tuple[StatusChange, ...], until: int, calendar: Calendar | None
) -> dict[str, TimeInStatus]:
    found = {spent.status: spent for spent in known}
    if not status_history:
        return found
    for start, end, change in pieces(status_history, status_history[0].at, until):
        micros, business = Time.between(start, end, calendar)
        spent = found.get(change.status) or TimeInStatus(change.status)
        free = not change.agent
        found[change.status] = TimeInStatus(
            spent.status,
            spent.micros + micros,
            spent.business + business,
            spent.unassigned + (micros if free else 0),
            spent.unassigned_business + (business if free else 0),
        )
    return found


def shorten(ticket: Ticket, calendar: Calendar | None, calendar_of: Callable[[Clock], Calendar | None]) -> Ticket:
    """Returns a ticket of too many status changes with the newer half only; what the older ones came to is summed up."""
    if len(ticket.sla.status_history) <= KEPT_STATUS_CHANGES:
        return ticket
    cut = ticket.sla.status_history[-KEPT_STATUS_CHANGES // 2].at
    old = tuple(each for each in ticket.sla.status_history if each.at < cut)
    clocks = tuple(_shortened(clock, old, cut, calendar_of(clock)) for clock in ticket.clocks)
    summed = _time_in_status(ticket.sla.time_in_status, old, cut, calendar)
    kept = ticket.sla.status_history[len(old) :]
    sla = replace(ticket.sla, status_history=kept, time_in_status=tuple(summed.values()))
    return replace(ticket, sla=sla, clocks=clocks)


def _shortened(clock: Clock, old: tuple[StatusChange, ...], cut: int, calendar: Calendar | None) -> Clock:
    if clock.stopped_at is not None or cut <= max(clock.started_at, clock.charges.counted_from):
        return clock
    shares = charged(clock, old, cut, calendar)
    charges = ClockCharges(
        written=clock.charges.written,
        carried=added(clock.charges.carried, shares),
        counted_from=cut,
        spent=clock.charges.spent + sum(share.micros for share in shares),
        spent_business=clock.charges.spent_business + sum(share.business for share in shares),
    )
    return replace(clock, charges=charges)
