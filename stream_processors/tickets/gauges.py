"""Gauges of the tickets of one partition, kept from their states. Imported history counts for nothing here."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Self

from schemas.clock import MICROS
from schemas.events import CHANNELS
from schemas.service_metrics import ServiceMetric
from stream_processors.runtime.gauges import Counts, Labels, Sample, StateGauges, change
from stream_processors.tickets.lookup import finished_at
from stream_processors.tickets.state import Customer, Pane, Ticket
from stream_processors.tickets.windows.buckets import PANE_MICROS, WEEK_MICROS

__all__ = ["WINDOWS", "Ages", "TicketGauges", "bounded_channel"]

#: Label → length (micros) of the windows whose CSAT is shown.
WINDOWS = {"5m": PANE_MICROS, "1h": 3600 * MICROS, "24h": 86_400 * MICROS, "7d": WEEK_MICROS}
#: 18 minutes: a power of two of microseconds.
_BUCKET_BITS = 30
_CHANNELS = frozenset((*CHANNELS, ""))


def bounded_channel(channel: str) -> str:
    """Returns the channel as a label: one that we do not know is `other`."""
    return channel if channel in _CHANNELS else "other"


class Ages:
    """Holds instants (micros) and knows the oldest: sorted arrays of 18 minutes each, 8 bytes an instant."""

    __slots__ = ("_buckets",)

    def __init__(self) -> None:
        self._buckets: dict[int, array[int]] = {}

    def add(self, at: int) -> None:
        """Adds an instant."""
        bucket = self._buckets.get(at >> _BUCKET_BITS)
        if bucket is None:
            self._buckets[at >> _BUCKET_BITS] = array("q", (at,))
        else:
            insort(bucket, at)

    def remove(self, at: int) -> None:
        """Removes an instant that was added."""
        bucket = self._buckets[at >> _BUCKET_BITS]
        del bucket[bisect_left(bucket, at)]
        if not bucket:
            del self._buckets[at >> _BUCKET_BITS]

    def oldest(self) -> int | None:
        """Returns the oldest instant; None when there is none."""
        return self._buckets[min(self._buckets)][0] if self._buckets else None


class TicketGauges(StateGauges):
    """Keeps the gauges of one partition of `contact-events`.

    open       channel, team, priority, status → tickets
    overdue    clock, channel, team, priority → clocks that run past their deadline
    at_risk    clock, channel, team, threshold → clocks that run and have passed it, and no higher one
    waiting    channel, team → since when each ticket waits for an answer
    created    channel, team → open tickets, and the sum of the times (micros) of their creation
    scores     channel, team → start of a pane → sum of its CSAT scores, and how many
    """

    prefixes: ClassVar[bytes] = b"cp"
    ready: ClassVar[ServiceMetric | None] = ServiceMetric.FIGURES_READY

    def __init__(self) -> None:
        super().__init__()
        self.open: Counts = {}
        self.overdue: Counts = {}
        self.at_risk: Counts = {}
        self.waiting: dict[Labels, Ages] = {}
        self.created: dict[Labels, list[int]] = {}
        self.scores: dict[Labels, dict[int, list[int]]] = {}

    # -- at the scrape ------------------------------------------------------------------------------------------

    @classmethod
    def samples(cls, partitions: Sequence[Self], now: int) -> list[Sample]:
        """Returns the gauges of these partitions together."""
        open_, overdue, at_risk = Counter[Labels](), Counter[Labels](), Counter[Labels]()
        waits: dict[Labels, float] = {}
        ages: dict[Labels, float] = {}
        sums: dict[Labels, float] = {}
        answers: dict[Labels, float] = {}
        for gauges in partitions:
            open_.update(gauges.open)
            overdue.update(gauges.overdue)
            at_risk.update(gauges.at_risk)
            for labels, seconds in gauges.longest_waits(now):
                waits[labels] = max(seconds, waits.get(labels, 0.0))
            for labels, seconds in gauges.backlog_ages(now):
                ages[labels] = ages.get(labels, 0.0) + seconds
            for labels, score, count in gauges.window_scores(now):
                sums[labels] = sums.get(labels, 0) + score
                answers[labels] = answers.get(labels, 0) + count
        return [
            (ServiceMetric.TICKETS_OPEN, dict(open_)),
            (ServiceMetric.TICKETS_AT_RISK, dict(at_risk)),
            (ServiceMetric.TICKETS_OVERDUE, dict(overdue)),
            (ServiceMetric.LONGEST_WAIT_SECONDS, waits),
            (ServiceMetric.BACKLOG_AGE_SECONDS, ages),
            (ServiceMetric.WINDOW_CSAT_SCORE_SUM, sums),
            (ServiceMetric.WINDOW_CSAT_ANSWERS, answers),
        ]

    def longest_waits(self, now: int) -> Iterator[tuple[Labels, float]]:
        """Seconds that the customer who waits longest has waited."""
        for labels, ages in self.waiting.items():
            if (oldest := ages.oldest()) is not None:
                yield labels, max(0, now - oldest) / MICROS

    def backlog_ages(self, now: int) -> Iterator[tuple[Labels, float]]:
        """Sum of the ages (seconds) of the open tickets."""
        for labels, (count, created) in self.created.items():
            yield labels, (count * now - created) / MICROS

    def window_scores(self, now: int) -> Iterator[tuple[Labels, int, int]]:
        """Window, channel, team; sum and number of the scores in the panes that overlap the window up to now."""
        for labels, panes in self.scores.items():
            for name, length in WINDOWS.items():
                since = now - length - PANE_MICROS
                inside = [each for start, each in list(panes.items()) if since < start <= now]
                if inside:
                    yield (name, *labels), sum(each[0] for each in inside), sum(each[1] for each in inside)

    # -- changes --------------------------------------------------------------------------------------------------

    def _change(self, key: bytes, before: Any | None, after: Any | None) -> None:
        if isinstance(before or after, Pane):
            self._pane(before, after)
        else:
            self._customer(before, after)

    def _customer(self, before: Customer | None, after: Customer | None) -> None:
        known = {} if before is None else {ticket.number: ticket for ticket in before.tickets}
        for ticket in () if after is None else after.tickets:
            was = known.pop(ticket.number, None)
            if was is ticket:
                continue
            if was is not None:
                self._count(was, -1)
            self._count(ticket, 1)
        for ticket in known.values():
            self._count(ticket, -1)

    def _count(self, ticket: Ticket, step: int) -> None:
        if ticket.imported or finished_at(ticket) is not None:
            return
        channel, team = bounded_channel(ticket.channel), ticket.team
        place = channel, team
        change(self.open, (channel, team, ticket.priority, ticket.status), step)
        created = self.created.setdefault(place, [0, 0])
        created[0] += step
        created[1] += step * ticket.created_at
        if not created[0]:
            del self.created[place]
        since = ticket.conversation.waiting_since
        if since is not None:
            if step > 0:
                self.waiting.setdefault(place, Ages()).add(since)
            else:
                self.waiting[place].remove(since)
        for clock in ticket.clocks:
            if not clock.running:
                continue
            if clock.breached:
                change(self.overdue, (clock.name, channel, team, ticket.priority), step)
            elif clock.risk:
                change(self.at_risk, (clock.name, channel, team, str(clock.risk)), step)

    def _pane(self, before: Pane | None, after: Pane | None) -> None:
        pane = after or before
        assert pane is not None
        old, new = _live_scores(before), _live_scores(after)
        if old == new:
            return
        panes = self.scores.setdefault((bounded_channel(pane.channel), pane.team), {})
        scores = panes.setdefault(pane.start, [0, 0])
        scores[0] += new[0] - old[0]
        scores[1] += new[1] - old[1]
        if scores == [0, 0]:
            del panes[pane.start]


def _live_scores(pane: Pane | None) -> tuple[int, int]:
    """Sum and number of the scores of a pane, without those of history."""
    if pane is None or "csat_sum" not in pane.metrics:
        return 0, 0
    metric = pane.metrics.get
    return (
        int(metric("csat_sum", 0) - metric("csat_sum_imported", 0)),
        int(metric("csat_answers", 0) - metric("csat_answers_imported", 0)),
    )
