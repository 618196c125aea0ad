"""Sends records to Kafka, grouped by partition into whole record batches.

`flush()` returns when every one of them is acknowledged by all in-sync replicas, and raises when one is not: nothing
is sent and forgotten. How many replicas that are at least is `min.insync.replicas` of the topic (`schemas/admin.py`).
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidProducerEpoch, ProducerClosed, ProducerFenced

from schemas.errors import Unavailable


class Fenced(Unavailable):
    """Says that the producer of a partition was replaced, here or in another process: its records are refused for good."""


class BatchProducer:
    """Collects the records of one fold and sends them: create one, add, flush. Not shared between folds."""

    __slots__ = ("_open", "_producer", "_sent", "records", "timestamp_ms")

    def __init__(self, producer: AIOKafkaProducer, timestamp_ms: int) -> None:
        self._producer = producer
        self._open: dict[tuple[str, int], Any] = {}
        self._sent: list[tuple[str, int, Any]] = []
        self.timestamp_ms = timestamp_ms
        self.records = 0

    def add(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        """Appends a record to the open batch of its partition; a full batch is set aside for `flush`."""
        target = (topic, partition)
        batch = self._open.get(target)
        if batch is None:
            batch = self._open[target] = self._producer.create_batch()
        self.records += 1
        if batch.append(key=key, value=value, timestamp=self.timestamp_ms, headers=headers or []) is None:
            self._sent.append((topic, partition, batch))
            batch = self._open[target] = self._producer.create_batch()
            if batch.append(key=key, value=value, timestamp=self.timestamp_ms, headers=headers or []) is None:
                raise Unavailable(f"a record of {len(value or b'')} bytes does not fit into a batch of {topic}")

    async def flush(self) -> dict[tuple[str, int], int]:
        """Waits until everything is durable; returns the last offset written per topic and partition.

        Raises:
            Fenced: a newer producer has taken its place.
            Unavailable: Kafka did not acknowledge a batch.
        """
        batches = self._sent + [(topic, partition, batch) for (topic, partition), batch in self._open.items()]
        self._sent, self._open = [], {}
        futures = []
        try:
            for topic, partition, batch in batches:
                batch.close()
                futures.append(await self._producer.send_batch(batch, topic, partition=partition))
            results = await asyncio.gather(*futures)
        except (ProducerFenced, InvalidProducerEpoch, ProducerClosed) as error:
            raise Fenced(f"another producer took over: {type(error).__name__}") from error
        except Exception as error:
            raise Unavailable(f"Kafka did not acknowledge: {type(error).__name__}: {error}") from error
        last: dict[tuple[str, int], int] = {}
        for (topic, partition, batch), metadata in zip(batches, results, strict=True):
            last[topic, partition] = metadata.offset + batch.record_count() - 1
        return last
