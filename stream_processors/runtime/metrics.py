"""The figures of the service as Prometheus scrapes them: counters of what is durable, gauges of how things stand.

Gauges are those of the partitions that this process holds at the moment of the scrape, and only once all states of a
partition were read after it was assigned: so the sum over all processes is right during and after a rebalance, and a
partition that is still being read is missing from it, not wrong (`deskstream_figures_ready` says which).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import structlog
from prometheus_client import REGISTRY, Gauge
from prometheus_client import Counter as CounterMetric
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from schemas import metrics
from stream_processors.runtime.gauges import Figures, Labels
from stream_processors.runtime.processor import Count

__all__ = ["ServiceFigures", "add"]

log = structlog.get_logger()
_COUNTERS: dict[str, CounterMetric] = {
    "sla_met": metrics.SLA_MET,
    "sla_breached": metrics.SLA_BREACHED,
    "sla_corrected": metrics.SLA_CORRECTED,
    "csat_answers": metrics.CSAT_ANSWERS,
    "tags_applied": metrics.TAGS_APPLIED,
    "acknowledgements": metrics.ACKNOWLEDGEMENTS,
}
#: By the names in `Figures.samples`, and by `Figures.ready`.
_GAUGES: dict[str, Gauge] = {
    "figures_ready": metrics.FIGURES_READY,
    "tickets_open": metrics.TICKETS_OPEN,
    "tickets_at_risk": metrics.TICKETS_AT_RISK,
    "tickets_overdue": metrics.TICKETS_OVERDUE,
    "longest_wait_seconds": metrics.LONGEST_WAIT_SECONDS,
    "backlog_age_seconds": metrics.BACKLOG_AGE_SECONDS,
    "window_csat_score_sum": metrics.WINDOW_CSAT_SCORE_SUM,
    "window_csat_answers": metrics.WINDOW_CSAT_ANSWERS,
    "agents": metrics.AGENTS,
    "agents_busy": metrics.AGENTS_BUSY,
}
_children: dict[tuple[str, tuple[str, ...]], Callable[[float], None]] = {}
#: States are read again in turns of so many seconds, with a rest in between while there is other work.
SLICE_SECONDS, REST_SECONDS = 0.001, 0.004


def add(counts: Iterable[Count]) -> None:
    """Move the counters and histograms. Call it once what is counted is durable."""
    for name, labels, value in counts:
        count = _children.get((name, labels))
        if count is None:
            if name == "first_response_seconds":
                count = metrics.FIRST_RESPONSE_SECONDS.labels(*labels).observe
            else:
                count = _COUNTERS[name].labels(*labels).inc
            _children[name, labels] = count
        count(value)


class ServiceFigures(Collector):
    """The gauges of one process and one aggregate; `kind` is the aggregate's `figures`.

    scan       (partition, key) → states from that key on, in key order
    load       decodes a state
    held       generation of the consumer group, and the partitions held in it now
    now        pipeline micros
    busy       whether batches are being folded
    """

    def __init__(
        self,
        kind: type[Figures],
        *,
        scan: Callable[[int, bytes], Iterator[tuple[bytes, bytes]]],
        load: Callable[[bytes, bytes], Any],
        held: Callable[[], tuple[int, Sequence[int]]],
        now: Callable[[], int],
        busy: Callable[[], bool],
    ) -> None:
        self._kind = kind
        self._scan, self._load, self._held, self._now, self._busy = scan, load, held, now, busy
        self._partitions: dict[int, Figures] = {}
        self._generation = -1
        self._lock = threading.Lock()
        self._reading: asyncio.Task[None] | None = None

    def register(self) -> None:
        REGISTRY.register(self)

    def begin(self, partitions: Iterable[int]) -> None:
        """After an assignment: forget what is known, and read the states of these partitions in the background."""
        if self._reading is not None:
            self._reading.cancel()
        generation, _ = self._held()
        with self._lock:
            self._generation = generation
            self._partitions = {partition: self._kind() for partition in partitions}
        self._reading = asyncio.create_task(self._read(dict(self._partitions)), name="figures")

    def changed(self, partition: int, before: dict[bytes, Any | None], after: dict[bytes, Any | None]) -> None:
        """What a batch changed. Call it in the same turn of the event loop in which the store takes the states."""
        figures = self._partitions.get(partition)
        if figures is None:
            return
        with self._lock:
            for key, state in after.items():
                figures.changed(key, before.get(key), state)

    async def _read(self, partitions: dict[int, Figures]) -> None:
        try:
            for partition, figures in partitions.items():
                while not self._read_slice(partition, figures):  # noqa: ASYNC110 - the rest between two slices
                    await asyncio.sleep(REST_SECONDS if self._busy() else 0)
        except Exception:  # the work goes on: these partitions stay without gauges, and not ready
            log.exception("states cannot be counted")

    def _read_slice(self, partition: int, figures: Figures) -> bool:
        """Read on for a moment; whether that was the last of it. No batch becomes durable meanwhile."""
        until = time.perf_counter() + SLICE_SECONDS
        assert figures.cursor is not None
        with self._lock:
            for key, value in self._scan(partition, figures.cursor + b"\0"):
                figures.read(key, self._load(key, value))
                if time.perf_counter() > until:
                    return False
            figures.finish()
        return True

    # -- the scrape, on a thread of its own -----------------------------------------------------------------------

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        """The gauges now."""
        if not self._partitions:
            return
        now = self._now()
        generation, held = self._held()
        with self._lock:
            known = self._partitions if generation == self._generation else {}
            ready = {number: number in known and known[number].cursor is None for number in held}
            samples = self._kind.samples([known[number] for number in held if ready[number]], now)
        if self._kind.ready:
            yield _family(_GAUGES[self._kind.ready], {(str(number),): float(done) for number, done in ready.items()})
        for name, values in samples:
            yield _family(_GAUGES[name], values)


def _family(gauge: Gauge, values: dict[Labels, float]) -> GaugeMetricFamily:
    described = next(iter(gauge.describe()))
    family = GaugeMetricFamily(described.name, described.documentation, labels=gauge._labelnames)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family
