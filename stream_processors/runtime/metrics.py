"""Metrics of customer service as Prometheus scrapes them: counters of durable observations, gauges of states.

The gauges cover the partitions that this process holds at the moment of the scrape, each once all its states were read
after the assignment. So the sum over all processes is right during and after a rebalance: a partition that is still
being read is absent, not wrong. `deskstream_figures_ready` tells which partitions are complete.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import structlog
from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from schemas import metrics
from schemas.service_metrics import ServiceMetric
from stream_processors.runtime.gauges import Labels, StateGauges
from stream_processors.runtime.processor import Count

__all__ = ["GaugeCollector", "begin_at_zero", "record_counts"]

log = structlog.get_logger()
#: The declaration in `schemas.metrics` of every service metric: constants of one name.
_METRICS: dict[ServiceMetric, Counter | Gauge | Histogram] = {
    each: getattr(metrics, each.name) for each in ServiceMetric
}
#: States are read in slices of so many seconds, with a rest in between while there is other work.
SLICE_SECONDS, REST_SECONDS = 0.001, 0.004


def record_counts(counts: Iterable[Count]) -> None:
    """Adds counts to their counters and histograms. Call it once the records that are counted are durable."""
    values: dict[tuple[ServiceMetric, Labels], list[float]] = defaultdict(list)
    for each in counts:
        values[each.metric, each.labels].append(each.value)
    for (name, labels), amounts in values.items():
        child = _METRICS[name].labels(*labels)
        if isinstance(child, Histogram):
            for amount in amounts:
                child.observe(amount)
        else:
            child.inc(sum(amounts))


def begin_at_zero(series: Iterable[tuple[ServiceMetric, Labels]]) -> None:
    """Lets these series of counters and histograms begin at 0, so that the first event of each is a rise."""
    for name, labels in series:
        _METRICS[name].labels(*labels)


class GaugeCollector(Collector):
    """Exports the gauges of one aggregate in this process; `kind` is the aggregate's `gauges`.

    scan       (partition, key) → states from that key on, in key order
    load       decodes a state
    held       returns the generation of the consumer group and the partitions held in it now
    now        returns pipeline micros
    busy       returns true while batches are being folded
    """

    def __init__(
        self,
        kind: type[StateGauges],
        *,
        scan: Callable[[int, bytes], Iterator[tuple[bytes, bytes]]],
        load: Callable[[bytes, bytes], Any],
        held: Callable[[], tuple[int, Sequence[int]]],
        now: Callable[[], int],
        busy: Callable[[], bool],
    ) -> None:
        self._kind = kind
        self._scan, self._load, self._held, self._now, self._busy = scan, load, held, now, busy
        self._partitions: dict[int, StateGauges] = {}
        self._generation = -1
        self._lock = threading.Lock()
        self._reading: asyncio.Task[None] | None = None

    def register(self) -> None:
        """Lets Prometheus's registry scrape these gauges."""
        REGISTRY.register(self)

    def begin(self, partitions: Iterable[int]) -> None:
        """Forgets the states counted so far, and reads those of newly assigned partitions in the background."""
        if self._reading is not None:
            self._reading.cancel()
        generation, _ = self._held()
        with self._lock:
            self._generation = generation
            self._partitions = {partition: self._kind() for partition in partitions}
        self._reading = asyncio.create_task(self._read(dict(self._partitions)), name="gauges")

    def changed(self, partition: int, before: dict[bytes, Any | None], after: dict[bytes, Any | None]) -> None:
        """Counts the changes of a batch. Call it without an `await` after the store took the states."""
        gauges = self._partitions.get(partition)
        if gauges is None:
            return
        with self._lock:
            for key, state in after.items():
                gauges.changed(key, before.get(key), state)

    async def _read(self, partitions: dict[int, StateGauges]) -> None:
        try:
            for partition, gauges in partitions.items():
                while not self._read_slice(partition, gauges):  # noqa: ASYNC110 - the rest between two slices
                    await asyncio.sleep(REST_SECONDS if self._busy() else 0)
        except Exception:  # the work goes on: these partitions stay without gauges, and not ready
            log.exception("states cannot be counted")

    def _read_slice(self, partition: int, gauges: StateGauges) -> bool:
        """Reads states for `SLICE_SECONDS`; returns true after the last. No batch becomes durable meanwhile."""
        until = time.perf_counter() + SLICE_SECONDS
        assert gauges.cursor is not None
        with self._lock:
            for key, value in self._scan(partition, gauges.cursor + b"\0"):
                gauges.read(key, self._load(key, value))
                if time.perf_counter() > until:
                    return False
            gauges.finish()
        return True

    # -- the scrape, on a thread of its own -----------------------------------------------------------------------

    def describe(self) -> Iterable[Metric]:
        """Returns nothing: the registry asks `collect` for names only at a scrape."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yields the gauges now."""
        if not self._partitions:
            return
        now = self._now()
        generation, held = self._held()
        with self._lock:
            known = self._partitions if generation == self._generation else {}
            ready = {number: number in known and known[number].cursor is None for number in held}
            samples = self._kind.samples([known[number] for number in held if ready[number]], now)
        if self._kind.ready is not None:
            yield _family(self._kind.ready, {(str(number),): float(done) for number, done in ready.items()})
        for metric, values in samples:
            yield _family(metric, values)


def _family(name: ServiceMetric, values: dict[Labels, float]) -> GaugeMetricFamily:
    metric = _METRICS[name]
    described = next(iter(metric.describe()))
    family = GaugeMetricFamily(described.name, described.documentation, labels=metric._labelnames)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family
