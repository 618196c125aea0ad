"""Moves the state of one tag through time: what passes, what comes, when a spike begins and ends. Pure."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from schemas.clock import MICROS
from stream_processors.spikes.detector import HOUR_MICROS, Sum, limit
from stream_processors.spikes.rhythm import (
    HOURS,
    LEARNING_HOURS,
    WEEKS,
    Day,
    Rhythm,
    expected_between,
    expected_in_hour,
    expected_of_day,
)
from stream_processors.spikes.state import Spike, TagState

__all__ = [
    "KEPT_TICKETS",
    "contact",
    "due_at",
    "hour_of",
    "inherited",
    "is_over",
    "late_contact",
    "may_alarm",
    "new_state",
    "passed",
]

#: Tickets that a fact names as examples.
KEPT_TICKETS = 10
#: A spike is over when no contact came for so long.
_QUIET_MICROS = 6 * HOUR_MICROS
#: Ticks are no closer than that.
_TICK_MICROS = 300 * MICROS
#: After imported history: what it lacks still may come.
_AFTER_IMPORT_MICROS = 24 * HOUR_MICROS


def hour_of(at: int, zone: ZoneInfo) -> tuple[int, int]:
    """Returns the local hour of a moment (since 1970), and when it ends (micros)."""
    offset = datetime.fromtimestamp(at // MICROS, zone).utcoffset()
    local = at + (0 if offset is None else round(offset.total_seconds()) * MICROS)
    return local // HOUR_MICROS, at + HOUR_MICROS - local % HOUR_MICROS


def new_state(at: int, zone: ZoneInfo, since: int) -> TagState:
    """Returns the state of a tag whose first contact comes at `at`, and that could have been found since `since`."""
    hour, until = hour_of(at, zone)
    known_from, _ = hour_of(min(since, at), zone)
    return _begun(TagState(rhythm=Rhythm(since=known_from), hour=hour, until=until, at=at, contact_at=at))


def inherited(state: TagState, before: TagState) -> TagState:
    """Returns a new state with the counts of a tag that it was formerly, or was split from."""
    rhythm = before.rhythm.add(before.hour, before.count) if before.count else before.rhythm
    both = replace(
        state,
        day=Day(),
        rhythm=state.rhythm.with_counts_of(rhythm),
        imported_at=max(state.imported_at, before.imported_at),
    )
    return _begun(both)


def passed(state: TagState, at: int, zone: ZoneInfo) -> TagState:
    """Returns the state at a later moment, until which no contact came."""
    if at <= state.at:
        return state
    if at < state.until:
        expected = state.per_hour * (at - state.at) / HOUR_MICROS
        return replace(state, at=at, sum=state.sum.passed(expected, state.day.dispersion))
    passed_sum = state.sum.passed(state.per_hour * (state.until - state.at) / HOUR_MICROS, state.day.dispersion)
    last, rhythm = state.hour, state.rhythm.add(state.hour, state.count) if state.count else state.rhythm
    hour, until = hour_of(at, zone)
    state = _begun(replace(state, rhythm=rhythm.until(hour), hour=hour, until=until, count=0, at=at))
    if passed_sum.score > 0:
        expected = (
            expected_between(state.rhythm, last + 1, hour) + state.per_hour * (at - until + HOUR_MICROS) / HOUR_MICROS
        )
        passed_sum = passed_sum.passed(expected, state.day.dispersion)
    return replace(state, sum=passed_sum)


def _begun(state: TagState) -> TagState:
    """Returns the state with what is expected of the hour that begins."""
    rhythm, hour, day = state.rhythm, state.hour, state.day
    if hour - rhythm.since < LEARNING_HOURS:
        return state  # nothing is watched yet
    if not day.start <= hour < day.start + 24:
        day = expected_of_day(rhythm, hour)
    return replace(state, day=day, per_hour=expected_in_hour(rhythm, day, hour))


def contact(state: TagState, at: int, ticket: str, *, watched: bool) -> TagState:
    """Returns the state with one more contact, at the time up to which it stands or shortly before.

    `watched` false: it only teaches the rhythm.
    """
    changes = {"count": state.count + 1, "contact_at": max(state.contact_at, at)}
    if not watched or state.hour - state.rhythm.since < LEARNING_HOURS:
        return replace(state, **changes, sum=Sum(), tickets=())
    most = limit(state.day.per_week)
    total = state.sum.with_contact(at, state.day.dispersion, most)
    tickets = (*state.tickets, ticket)[-KEPT_TICKETS:] if state.sum.count else (ticket,)
    spike = state.spike
    if spike is None and total.score >= most:
        spike = Spike(total.since, at)
    if spike is not None:
        spike = replace(spike, count=total.count, expected=total.expected)
    return replace(state, **changes, sum=total, tickets=tickets, spike=spike)


def late_contact(state: TagState, at: int, zone: ZoneInfo, imported_at: int = 0) -> TagState:
    """Returns the state with a contact of an hour that is over, which teaches the rhythm; imported history says so."""
    hour, _ = hour_of(at, zone)
    state = replace(state, imported_at=max(state.imported_at, imported_at))
    if state.hour - hour >= WEEKS * HOURS:
        return state
    if hour == state.hour:
        return replace(state, count=state.count + 1)
    return replace(state, rhythm=state.rhythm.add(hour, 1, history=bool(imported_at)))


def may_alarm(state: TagState, at: int) -> bool:
    """Returns true unless history is being imported."""
    return not state.imported_at or at > state.imported_at + _AFTER_IMPORT_MICROS


def is_over(state: TagState) -> bool:
    """Returns true when nothing speaks for the spike any more, or nobody wrote for long."""
    return state.spike is not None and (state.sum.score <= 0 or state.at >= state.contact_at + _QUIET_MICROS)


def due_at(state: TagState) -> int | None:
    """Returns when (micros) the spike will be over if no contact comes; None without one."""
    if state.spike is None:
        return None
    quiet = state.contact_at + _QUIET_MICROS
    hours = state.sum.score * state.day.dispersion / (2 * max(state.per_hour, 1e-9))
    return max(min(quiet, state.at + round(min(hours, 1e6) * HOUR_MICROS) + 1), state.at + _TICK_MICROS)
