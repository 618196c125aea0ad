"""The gauges of a process cover the partitions that it holds at the scrape and has read; counters move when told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Self

import pytest
from prometheus_client import REGISTRY

from schemas.service_metrics import ServiceMetric
from stream_processors.runtime.gauges import Counts, Sample, StateGauges, change
from stream_processors.runtime.metrics import GaugeCollector, record_counts
from stream_processors.runtime.processor import Count

STORES = {0: {b"a1": b"x", b"a2": b"y", b"z1": b"no state of ours"}, 1: {b"a1": b"x"}}


class Texts(StateGauges):
    """Counts states by their text; the keys that begin with `a`."""

    prefixes: ClassVar[bytes] = b"a"
    ready: ClassVar[ServiceMetric | None] = ServiceMetric.FIGURES_READY

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counts = {}

    @classmethod
    def samples(cls, partitions: Sequence[Self], now: int) -> list[Sample]:
        total: Counts = {}
        for each in partitions:
            for labels, count in each.counts.items():
                change(total, labels, count)
        return [(ServiceMetric.AGENTS_BUSY, {labels: float(count) for labels, count in total.items()})]

    def _change(self, key: bytes, before: Any | None, after: Any | None) -> None:
        for state, step in ((before, -1), (after, 1)):
            if state is not None:
                change(self.counts, (state,), step)


class Process:
    """A process whose group has given it partitions; `broken` lets a state be unreadable."""

    def __init__(self) -> None:
        self.held: tuple[int, list[int]] = (1, [0, 1])
        self.broken: bytes | None = None
        self.collector = GaugeCollector(
            Texts, scan=self.scan, load=self.load, held=lambda: self.held, now=lambda: 0, busy=lambda: False
        )

    def scan(self, partition: int, key: bytes) -> Iterator[tuple[bytes, bytes]]:
        return (pair for pair in sorted(STORES[partition].items()) if pair[0] >= key and pair[0][:1] == b"a")

    def load(self, key: bytes, value: bytes) -> str:
        if value == self.broken:
            raise ValueError("this state cannot be read")
        return value.decode()

    async def read(self, *partitions: int) -> None:
        self.collector.begin(partitions)
        assert self.collector._reading is not None
        await self.collector._reading

    def shown(self) -> dict[str, dict[str, float]]:
        return {
            family.name.removeprefix("deskstream_"): {
                next(iter(sample.labels.values())): sample.value for sample in family.samples
            }
            for family in self.collector.collect()
        }


@pytest.fixture
def process() -> Process:
    return Process()


def test_nothing_is_shown_before_an_assignment(process: Process) -> None:
    assert process.shown() == {}


def test_all_partitions_that_were_read_add_up(process: Process) -> None:
    asyncio.run(process.read(0, 1))
    assert process.shown() == {"figures_ready": {"0": 1.0, "1": 1.0}, "agents_busy": {"x": 2.0, "y": 1.0}}


def test_a_durable_change_moves_a_gauge(process: Process) -> None:
    asyncio.run(process.read(0, 1))
    process.collector.changed(0, {b"a1": "x"}, {b"a1": "y", b"a3": "y", b"z1": "other"})
    process.collector.changed(1, {b"a1": "x"}, {b"a1": None})
    process.collector.changed(7, {}, {b"a1": "x"})  # a partition that is not ours
    assert process.shown()["agents_busy"] == {"y": 3.0}


def test_a_partition_that_is_still_read_is_absent_and_not_ready(process: Process) -> None:
    process.broken = b"y"
    asyncio.run(process.read(1, 0))
    assert process.shown() == {"figures_ready": {"0": 0.0, "1": 1.0}, "agents_busy": {"x": 1.0}}


def test_a_partition_that_was_given_away_is_absent(process: Process) -> None:
    asyncio.run(process.read(0, 1))
    process.held = 1, [1]
    assert process.shown() == {"figures_ready": {"1": 1.0}, "agents_busy": {"x": 1.0}}


def test_after_a_rebalance_nothing_counts_until_it_was_read_again(process: Process) -> None:
    asyncio.run(process.read(0, 1))
    process.held = 2, [0, 1]
    assert process.shown() == {"figures_ready": {"0": 0.0, "1": 0.0}, "agents_busy": {}}
    asyncio.run(process.read(0, 1))
    assert process.shown()["agents_busy"] == {"x": 2.0, "y": 1.0}


def test_counts_are_added_and_seconds_observed() -> None:
    def value(name: str, **labels: str) -> float:
        return (
            REGISTRY.get_sample_value(f"deskstream_{name}", {"channel": "email", "team": "collector", **labels}) or 0.0
        )

    def values() -> tuple[float, float, float]:
        return (
            value("csat_answers_total", score="4"),
            value("first_response_seconds_sum"),
            value("first_response_seconds_count"),
        )

    before = values()
    record_counts([Count(ServiceMetric.CSAT_ANSWERS, ("email", "collector", "4"))] * 2)
    record_counts([Count(ServiceMetric.CSAT_ANSWERS, ("email", "collector", "4"), 3.0)])
    record_counts([Count(ServiceMetric.FIRST_RESPONSE_SECONDS, ("email", "collector"), 61.5)])
    assert [after - known for known, after in zip(before, values(), strict=True)] == [5.0, 61.5, 1.0]


@pytest.mark.parametrize("metric", ServiceMetric, ids=lambda metric: metric.name)
def test_every_service_metric_is_declared_under_its_name(metric: ServiceMetric) -> None:
    from schemas import metrics

    described = next(iter(getattr(metrics, metric.name).describe()))
    assert metric.value in (described.name, f"{described.name}_total")
