"""What a worker says of its lag while partitions come and go on another thread."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from stream_processors.runtime.worker import Worker


def test_a_partition_that_was_taken_away_this_moment_has_no_lag_and_ends_no_worker() -> None:
    """The consumer is the real one, which refuses to say anything of a partition that it does not have."""

    async def ask() -> int:
        consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:9")
        with pytest.raises(AssertionError, match="not assigned"):
            consumer.highwater(TopicPartition("contact-events", 0))
        worker = Worker.__new__(Worker)
        worker.app, worker.source, worker.end = SimpleNamespace(consumer=consumer), "contact-events", {0: 5}
        lag = worker.lag(0)
        await consumer.stop()
        return lag

    assert asyncio.run(ask()) == 0
