"""Faust's flush gives up after 100 ms and failed sends are only logged; the outbox waits, and raises."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import MessageSizeTooLargeError

from schemas.errors import Unavailable
from schemas.settings import Settings
from schemas.topics import TAG_FACTS
from stream_processors.runtime.batch_producer import BatchProducer

#: Not long ago, or the broker finds on its rounds that the records are older than they may become.
NOW_MS = int(time.time() * 1000)


def producer_of(settings: Settings, **options: Any) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers, acks="all", enable_idempotence=True, **options
    )


@pytest.mark.stack
def test_after_a_flush_every_record_is_in_the_log_in_order(deployment: Any) -> None:
    settings = deployment.settings(Settings)
    topic, count = settings.topic(TAG_FACTS), 5_000

    async def write_and_read() -> tuple[dict[tuple[str, int], int], list[tuple[bytes, Any]]]:
        producer = producer_of(settings, max_batch_size=20_000)
        await producer.start()
        outbox = BatchProducer(producer, NOW_MS)
        for number in range(count):
            outbox.add(topic, 2, b"k%d" % number, b"v" * 50, [("reason", b"r")] if number == 7 else None)
        last = await outbox.flush()
        await producer.stop()
        consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers, auto_offset_reset="earliest")
        await consumer.start()
        consumer.assign([TopicPartition(topic, 2)])
        seen: list[tuple[bytes, Any]] = []
        while len(seen) < count:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                seen += [(record.key, record.headers) for record in records]
        await consumer.stop()
        return last, seen

    last, seen = asyncio.run(write_and_read())
    assert last == {(topic, 2): count - 1}
    assert [key for key, _ in seen] == [b"k%d" % number for number in range(count)]
    assert seen[7][1] == (("reason", b"r"),)


@pytest.mark.stack
def test_a_flush_that_kafka_refuses_raises_instead_of_forgetting_the_records(deployment: Any) -> None:
    settings = deployment.settings(Settings)

    async def write() -> None:
        producer = producer_of(settings, max_batch_size=40_000_000, max_request_size=40_000_000)
        await producer.start()
        outbox = BatchProducer(producer, NOW_MS)
        outbox.add(settings.topic(TAG_FACTS), 0, b"k", b"x" * 30_000_000)  # above message.max.bytes of the broker
        try:
            await outbox.flush()
        finally:
            await producer.stop()

    with pytest.raises(Unavailable, match=MessageSizeTooLargeError.__name__):
        asyncio.run(write())
