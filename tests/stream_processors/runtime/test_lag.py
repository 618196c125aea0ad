"""The lag of a worker: what is not durable yet, also while partitions come and go on another thread."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from stream_processors.runtime.worker import Worker


def worker_with(consumer: Any, end: dict[int, int]) -> Worker:
    worker = Worker.__new__(Worker)
    worker.app, worker.source, worker.end = SimpleNamespace(consumer=consumer), "contact-events", end
    return worker


@pytest.mark.parametrize(
    ("highwater", "end", "lag"),
    [
        (12, {1: 5}, 7),
        (6, {1: 5}, 1),
        (5, {1: 5}, 0),
        (4, {1: 5}, 0),  # the consumer has not heard of our own batch yet
        (None, {1: 5}, 0),  # nothing was fetched
        (12, {0: 5}, 0),  # no batch of this partition was durable yet
        (12, {}, 0),
    ],
)
def test_lag_is_what_the_log_has_beyond_the_last_durable_batch(
    highwater: int | None, end: dict[int, int], lag: int
) -> None:
    asked: list[tuple[str, int]] = []
    consumer = SimpleNamespace(highwater=lambda tp: (asked.append((tp.topic, tp.partition)), highwater)[1])
    assert worker_with(consumer, end).lag(1) == lag
    assert asked == ([("contact-events", 1)] if 1 in end else [])


def test_a_partition_that_was_just_revoked_has_no_lag() -> None:
    """The consumer is the real one, which refuses to say anything of a partition that it does not have."""

    async def ask() -> int:
        consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:9")
        with pytest.raises(AssertionError, match="not assigned"):
            consumer.highwater(TopicPartition("contact-events", 0))
        lag = worker_with(consumer, {0: 5}).lag(0)
        await consumer.stop()
        return lag

    assert asyncio.run(ask()) == 0
