"""Reads the whole log of contacts, as it is when it is opened, in no consumer group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from schemas.errors import Unavailable
from schemas.kafka_security import security
from schemas.settings import WorkerSettings
from schemas.topics import CONTACT_EVENTS

__all__ = ["Log", "progress_bar"]

_TIMEOUT_SECONDS = 15.0


class Log:
    """Reads `contact-events` from its beginning to its end as it was when it was opened.

    `cut` are the partitions whose beginning retention has deleted.
    """

    def __init__(self, consumer: Any, starts: dict[TopicPartition, int], ends: dict[TopicPartition, int]) -> None:
        self._consumer, self._starts, self._ends = consumer, starts, ends
        self.partitions = list(starts)
        self.records_total = sum(ends.values()) - sum(starts.values())
        self.cut = [partition.partition for partition, start in starts.items() if start > 0]

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: WorkerSettings) -> AsyncIterator[Log]:
        """Yields the log. Raises Unavailable when Kafka does not answer, also while it is read."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka_bootstrap_servers, enable_auto_commit=False, **security(settings)
        )
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await consumer.start()
                topic = settings.topic(CONTACT_EVENTS)
                partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
                starts, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
            yield cls(consumer, {each: starts[each] for each in partitions}, ends)
        except (KafkaError, TimeoutError) as error:
            raise Unavailable(
                f"Kafka at {settings.kafka_bootstrap_servers} does not answer: {str(error) or 'in time'}"
            ) from error
        finally:
            await consumer.stop()

    async def records(self, partition: TopicPartition) -> AsyncIterator[list[Any]]:
        """Yields the records of a partition, in portions."""
        consumer, end = self._consumer, self._ends[partition]
        consumer.assign([partition])
        consumer.seek(partition, self._starts[partition])
        while await consumer.position(partition) < end:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                found = await consumer.getmany(partition, timeout_ms=1000, max_records=2000)
            for records in found.values():
                yield [record for record in records if record.offset < end]


def progress_bar() -> Progress:
    """Returns a bar for the records of the log, on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))
