"""Keeps how long the customers of a channel and team waited lately, for what the next one is promised.

Every answer of a person that ends a wait is remembered for an hour of the log: how long the wait was in the time of its
policy's calendar, and who answered. Each partition sees its own customers, who are a fair sample of all of them.

A promise is reckoned from what stood in the log before its record: from the last `MOST_ANSWERS` answers, as far as they are of
the last hour. A state that is ahead of it, after a crash, holds answers of later records as well: those are left out by
their offset, and none that a record of that batch reads gives way to them, so that it always comes to the same promise.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from operator import attrgetter
from statistics import median_low
from typing import TYPE_CHECKING, ClassVar

import msgspec

from schemas.clock import MICROS
from stream_processors.runtime.processor import MOST_BATCH_RECORDS, State
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.observations import (
    FirstResponse,
    FirstResponseWithdrawn,
    NextResponse,
    NextResponseWithdrawn,
)

if TYPE_CHECKING:
    from schemas.calendars import Calendar

__all__ = ["Answered", "Queue", "expected_seconds", "queue_key", "step", "usual_seconds"]

HOUR = 3600 * MICROS
#: More answers of an hour say no more of it.
MOST_ANSWERS = 100
#: From fewer nobody can tell how long it takes at present.
FEWEST_ANSWERS = 3
#: From fewer answers it is not said within which time most are answered.
_FEWEST_USUAL = 10
#: Beyond `MOST_ANSWERS` in the records that one batch may hold, only answers so far apart are remembered, in offsets or in time.
_APART, _APART_MICROS = MOST_BATCH_RECORDS // MOST_ANSWERS, 60 * MICROS
_OFFSET = attrgetter("offset")
#: A wait is expected to be no longer than so many times the median, while several people answer.
_TIMES_MEDIAN = 2
_SEVERAL = 2


class Answered(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds one answer: of which record and when (micros), how long was waited for it, and who gave it."""

    offset: int
    at: int
    seconds: int
    agent: str = ""


class Queue(State, frozen=True, kw_only=True, array_like=True):
    """Key: `q` + channel + zero + team, and with a calendar zero + its name. The last answers, oldest first."""

    VERSION: ClassVar[int] = 1

    answers: tuple[Answered, ...] = ()


def queue_key(channel: str, team: str, calendar: Calendar | None = None) -> bytes:
    """Returns the key under which the queue of a channel and team is stored, whose waits are counted by a calendar."""
    return b"q" + (f"{channel}\0{team}" if calendar is None else f"{channel}\0{team}\0{calendar.name}").encode()


def expected_seconds(context: FoldContext, channel: str, team: str, calendar: Calendar | None = None) -> float:
    """Returns how long a customer may have to wait at present, in the time of the policy's calendar; 0 when nobody can tell.

    The longest wait of the last hour, but at most twice the median while more than one person answers: then one that was
    left lying says little of the next.
    """
    known = _last_hour(context, channel, team, calendar)
    if len(known) < FEWEST_ANSWERS:
        return 0.0
    waits = [each.seconds for each in known]
    longest = max(waits)
    if len({each.agent for each in known}) < _SEVERAL:
        return float(longest)
    return float(min(longest, _TIMES_MEDIAN * median_low(waits)))


def usual_seconds(context: FoldContext, channel: str, team: str, calendar: Calendar | None = None) -> float:
    """Returns within which time four of five were answered in the last hour; 0 when too few were to say so."""
    known = _last_hour(context, channel, team, calendar)
    if len(known) < _FEWEST_USUAL:
        return 0.0
    waits = sorted(each.seconds for each in known)
    return float(max(1, waits[-(-4 * len(waits) // 5) - 1]))


def _last_hour(context: FoldContext, channel: str, team: str, calendar: Calendar | None) -> list[Answered]:
    """Returns the answers of the last hour that stood in the log before this record, at most `MOST_ANSWERS`."""
    queue: Queue | None = context.read.get(queue_key(channel, team, calendar))
    if queue is None:
        return []
    since, end = context.now - HOUR, bisect_left(queue.answers, context.position.offset, key=_OFFSET)
    before = queue.answers[max(0, end - MOST_ANSWERS) : end]
    return [each for each in before if since <= each.at <= context.now]


def step(context: FoldContext) -> FoldContext:
    """Remembers the answer of this event, if it ends a wait."""
    ticket = context.ticket
    if context.replied_at is None or ticket is None or context.event.imported or ticket.imported:
        return context
    found = [
        each
        for each in context.observed
        if isinstance(each, FirstResponse | NextResponse)
        and not isinstance(each, FirstResponseWithdrawn | NextResponseWithdrawn)
    ]
    if not found:
        return context
    calendar = context.policy_on(ticket.channel, ticket.team).calendar
    key = queue_key(ticket.channel, ticket.team, calendar)
    stored: Queue = context.read.get(key) or Queue()
    offset = context.position.offset
    if stored.offset >= offset:
        return context  # it is ahead of this record, after a crash
    answered, answers = found[-1], stored.answers
    recent = bisect_right(answers, offset - MOST_BATCH_RECORDS, key=_OFFSET)
    if len(answers) - recent >= MOST_ANSWERS and _is_beside(answers[-1], offset, answered.at):
        return context
    since = answered.at - round(answered.seconds * MICROS)
    waited = answered.at - since if calendar is None else calendar.business_micros(since, answered.at)
    answer = Answered(offset, answered.at, waited // MICROS, getattr(context.event, "agent_id", ""))
    kept = (*answers[max(0, recent - MOST_ANSWERS) :], answer)
    return context.replace(panes={**context.panes, key: Queue(offset=offset, answers=kept)})


def _is_beside(answer: Answered, offset: int, at: int) -> bool:
    return offset - answer.offset < _APART and abs(at - answer.at) <= _APART_MICROS
