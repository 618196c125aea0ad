"""The stations of a ticket: how it stood when. What is measured over them is a sum of pieces, in whole microseconds.

A ticket remembers its last stations, so that an answer that arrives late can still be charged to whoever held the
ticket then. Those before are summed up in `Ticket.spells` and in each clock (see `shorten`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import msgspec

from stream_processors.rules.calendars import Calendar
from stream_processors.tickets.state import Clock, Share, Spell, Station, Ticket

__all__ = [
    "KEPT_STATIONS",
    "STATES",
    "UNFINISHED",
    "Time",
    "added",
    "began",
    "charged",
    "elapsed",
    "shorten",
    "spells",
    "stand",
]

#: So many stations are remembered; most tickets have fewer than ten in their life.
KEPT_STATIONS = 48
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
        return Time(self.micros + other.micros, self.business + other.business)


def began(ticket: Ticket) -> bool:
    """Whether the stations reach back to the beginning: those of a ticket from before there were stations do not."""
    return bool(ticket.spells) or (bool(ticket.stations) and ticket.stations[0].at <= ticket.created_at)


def stand(ticket: Ticket, at: int, team: str) -> Ticket:
    """The ticket, with a new station at `at` if it stands differently now; never before the last one."""
    stations = ticket.stations
    last = stations[-1] if stations else None
    if last is not None and (last.status, last.team, last.agent) == (ticket.status, team, ticket.assignee):
        return ticket
    since = at if last is None else max(at, last.at)
    station = Station(since, ticket.status, team, ticket.assignee)
    kept = stations[:-1] if last is not None and last.at == since else stations
    return msgspec.structs.replace(ticket, stations=(*kept, station))


def pieces(stations: tuple[Station, ...], since: int, until: int) -> Iterator[tuple[int, int, Station]]:
    """(start, end, station) of everything between two instants; what lies before the first station belongs to it."""
    last = len(stations) - 1
    for place, station in enumerate(stations):
        start = since if place == 0 else max(since, station.at)
        end = until if place == last else min(until, stations[place + 1].at)
        if start < end:
            yield start, end, station


# -- clocks -----------------------------------------------------------------------------------------------------------


def elapsed(clock: Clock, stations: tuple[Station, ...], until: int, calendar: Calendar | None) -> Time:
    """How long the clock has run until `until`: all the time, or that in its own states."""
    states = STATES.get(clock.name)
    if states is None:
        return Time.between(clock.started_at, until, calendar)
    total = Time(clock.spent, clock.spent_business)
    for start, end, station in pieces(stations, max(clock.started_at, clock.counted_from), until):
        if station.status in states:
            total = total.plus(Time.between(start, end, calendar))
    return total


def charged(clock: Clock, stations: tuple[Station, ...], until: int, calendar: Calendar | None) -> tuple[Share, ...]:
    """Who held the ticket while this instance ran, without what lies before `counted_from`."""
    states = STATES.get(clock.name)
    held: dict[tuple[str, str], Time] = {}
    for start, end, station in pieces(stations, max(clock.started_at, clock.counted_from), until):
        if states is None or station.status in states:
            holder = station.team, station.agent
            held[holder] = held.get(holder, Time()).plus(Time.between(start, end, calendar))
    return tuple(Share(team, agent, *time) for (team, agent), time in held.items())


def added(*several: Iterable[Share]) -> tuple[Share, ...]:
    """One share for each holder."""
    held: dict[tuple[str, str], Time] = {}
    for shares in several:
        for share in shares:
            holder = share.team, share.agent
            held[holder] = held.get(holder, Time()).plus(Time(share.micros, share.business))
    return tuple(Share(team, agent, *time) for (team, agent), time in held.items())


# -- the ticket -------------------------------------------------------------------------------------------------------


def spells(ticket: Ticket, until: int, calendar: Calendar | None) -> dict[str, Spell]:
    """The time that the ticket has spent in each state that it was in, by state, until `until`."""
    return _spells(ticket.spells, ticket.stations, until, calendar)


def _spells(
    known: tuple[Spell, ...], stations: tuple[Station, ...], until: int, calendar: Calendar | None
) -> dict[str, Spell]:
    found = {spell.status: spell for spell in known}
    if not stations:
        return found
    for start, end, station in pieces(stations, stations[0].at, until):
        micros, business = Time.between(start, end, calendar)
        spell = found.get(station.status) or Spell(station.status)
        free = not station.agent
        found[station.status] = Spell(
            spell.status,
            spell.micros + micros,
            spell.business + business,
            spell.unassigned + (micros if free else 0),
            spell.unassigned_business + (business if free else 0),
        )
    return found


def shorten(ticket: Ticket, calendar: Calendar | None, calendar_of: Callable[[Clock], Calendar | None]) -> Ticket:
    """The ticket, of too many stations with the newer half only; what the older ones came to is summed up."""
    if len(ticket.stations) <= KEPT_STATIONS:
        return ticket
    cut = ticket.stations[-KEPT_STATIONS // 2].at
    old = tuple(each for each in ticket.stations if each.at < cut)
    clocks = tuple(_shortened(clock, old, cut, calendar_of(clock)) for clock in ticket.clocks)
    summed = _spells(ticket.spells, old, cut, calendar)
    kept = ticket.stations[len(old) :]
    return msgspec.structs.replace(ticket, stations=kept, spells=tuple(summed.values()), clocks=clocks)


def _shortened(clock: Clock, old: tuple[Station, ...], cut: int, calendar: Calendar | None) -> Clock:
    if clock.stopped_at is not None or cut <= max(clock.started_at, clock.counted_from):
        return clock
    shares = charged(clock, old, cut, calendar)
    return msgspec.structs.replace(
        clock,
        carried=added(clock.carried, shares),
        counted_from=cut,
        spent=clock.spent + sum(share.micros for share in shares),
        spent_business=clock.spent_business + sum(share.business for share in shares),
    )
