"""Says how soon customers are usually answered, by channel, as measured, for `GET /v1/reply-times`, the pages and the chat window.

The times come from the facts of tickets (`TicketClocks`) of the last days: within which time four of five were answered by a
person, calls and chats taken, in all hours. Who still waits for longer than that counts with the time waited so far, so a
standing queue shows at once. It is rounded up, it is no promise (that is the acknowledgement's), and below twenty answers
nothing is said. Settings: `reply_times_days`.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from typing import Any, NamedTuple

import structlog
from aiokafka import TopicPartition

from producers.sources.topic_follower import follow
from schemas import codec
from schemas.clock import MICROS, Clock
from schemas.errors import CodecError
from schemas.facts import TicketClocks
from schemas.reply_time import in_words, rounded_up
from schemas.settings import ProducerSettings
from schemas.topics import CLOCK_FACTS

__all__ = ["KEPT_SECONDS", "SHARE", "Measured", "ReplyTime", "ReplyTimes"]

#: Fewer answers say nothing of what the next customer may expect.
LEAST_ANSWERS = 20
#: The share of customers who were answered by then.
SHARE = 0.8
#: Of the newest tickets only: a sort of them takes milliseconds.
_MOST_TICKETS = 20_000
KEPT_SECONDS = 60.0
_DAY = 86_400
_WAITING = frozenset(("new", "open"))
_AT_ONCE, _MOST_RECORDS = 500, 200_000
log = structlog.get_logger("producers.reply_times")


class ReplyTime(NamedTuple):
    """Within `seconds`, rounded up, four of five were answered; half of them within `median_seconds`."""

    seconds: int
    median_seconds: float
    answers: int


class _Ticket(NamedTuple):
    version: int
    created_at: int
    place: tuple[str, str]
    seconds: float | None
    is_waiting: bool


class Measured:
    """Holds the tickets of the last days. Pure; `now` is pipeline micros."""

    def __init__(self, days: float) -> None:
        self._micros = int(days * _DAY * MICROS)
        self._tickets: dict[str, _Ticket] = {}

    def see(self, fact: TicketClocks) -> None:
        """Takes what is known of a ticket now; an older version of it says nothing."""
        known = self._tickets.get(fact.ticket_id)
        if known is not None and known.version > fact.version:
            return
        seconds = fact.first_response_seconds if fact.answer_seconds is None else fact.answer_seconds
        place = (fact.brand, fact.channel)
        waits = seconds is None and fact.status in _WAITING
        self._tickets[fact.ticket_id] = _Ticket(fact.version, fact.created_at, place, seconds, waits)
        while len(self._tickets) > _MOST_TICKETS:
            del self._tickets[next(iter(self._tickets))]

    def of(self, now: int) -> dict[tuple[str, str], ReplyTime]:
        """Returns brand and channel → how soon customers were answered, where enough of them were."""
        answered: dict[tuple[str, str], list[float]] = {}
        waiting: dict[tuple[str, str], list[float]] = {}
        for ticket in self._tickets.values():
            if now - self._micros <= ticket.created_at <= now:
                if ticket.seconds is not None:
                    answered.setdefault(ticket.place, []).append(ticket.seconds)
                elif ticket.is_waiting:
                    waiting.setdefault(ticket.place, []).append((now - ticket.created_at) / MICROS)
        found = {place: _of(seconds, waiting.get(place, [])) for place, seconds in answered.items()}
        return {place: each for place, each in found.items() if each is not None}


def _of(answered: list[float], waiting: list[float]) -> ReplyTime | None:
    if len(answered) < LEAST_ANSWERS:
        return None
    limit = _quantile(answered, SHARE)
    longer = [each for each in waiting if each > limit]
    seconds = rounded_up(_quantile([*answered, *longer], SHARE))
    return None if seconds is None else ReplyTime(seconds, _quantile(answered, 0.5), len(answered))


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


class ReplyTimes:
    """Keeps the measured times up to date; `run` reads the facts until it is cancelled. Without days it says nothing."""

    def __init__(self, settings: ProducerSettings) -> None:
        self.measured = Measured(settings.reply_times_days)
        self._settings = settings
        self._clock: Clock = settings.pipeline_clock
        self._known: dict[tuple[str, str], ReplyTime] = {}
        self._known_until = 0.0
        self._positions: dict[TopicPartition, int] = {}

    def all(self) -> dict[tuple[str, str], ReplyTime]:
        """Returns what is known by brand and channel; reckons once a minute."""
        if time.monotonic() >= self._known_until:
            self._known, self._known_until = self.measured.of(self._clock.now()), time.monotonic() + KEPT_SECONDS
        return self._known

    def said(self, channel: str, brand: str, locale: str) -> str:
        """Returns the time as people say it (`4 hours`, `4 時間`); '' when too little is known."""
        found = self.all().get((brand, channel))
        if found is None:
            return ""
        return in_words(found.seconds, locale)

    def told(self, brand: str) -> dict[str, dict[str, int]]:
        """Returns what the endpoint answers of each channel of a brand."""
        return {
            channel: {"seconds": each.seconds, "median_seconds": round(each.median_seconds), "answers": each.answers}
            for (of_brand, channel), each in sorted(self.all().items())
            if of_brand == brand
        }

    async def run(self) -> None:
        """Reads the facts, and again after Kafka was away."""
        if self._settings.reply_times_days:
            meanwhile = "nothing is said of them meanwhile"
            await follow(self._settings, "reply-times", self._follow, logger=log, meanwhile=meanwhile)

    async def _follow(self, consumer: Any) -> None:
        await self._seek(consumer)
        while True:
            await self._read(consumer)

    async def _seek(self, consumer: Any) -> None:
        """Goes to where reading stopped; the first time as far back as the days, but not through millions of records."""
        places = [TopicPartition(self._settings.topic(CLOCK_FACTS), each) for each in range(self._settings.partitions)]
        consumer.assign(places)
        if not self._positions:
            since = int((time.time() - self._settings.reply_times_days * _DAY) * 1000)
            ends = await consumer.end_offsets(places)
            found = await consumer.offsets_for_times(dict.fromkeys(places, since))
            begins = {place: found[place].offset if found.get(place) else ends[place] for place in places}
            self._positions = {place: max(begins[place], ends[place] - _MOST_RECORDS) for place in places}
        for place, offset in self._positions.items():
            consumer.seek(place, offset)

    async def _read(self, consumer: Any) -> None:
        for place, records in (await consumer.getmany(timeout_ms=1000, max_records=_AT_ONCE)).items():
            for record in records:
                if record.value and record.value[:10] in _HEADERS:
                    with contextlib.suppress(CodecError):  # the sink makes a dead letter of it
                        self.measured.see(codec.decode(record.value))
            self._positions[place] = records[-1].offset + 1
            await asyncio.sleep(0)


#: How the facts begin that are read: the topic has others, which are not decoded.
_HEADERS = frozenset(b"\xc3\x01" + codec.fingerprint(schema) for schema in codec.versions(TicketClocks).values())
