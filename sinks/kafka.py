"""Makes the Kafka clients of the sinks, checks their topics, and writes dead letters."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.dead_letter import writer
from schemas.errors import Unavailable
from schemas.kafka_security import security
from schemas.metrics import SINK_DEAD_LETTERED, SINK_PAUSED
from schemas.record_key import BY_NAME, name_of, record_key
from schemas.settings import SinkSettings
from schemas.topics import Topic
from sinks.clickhouse.batch import Record

STOP_SECONDS, REBALANCE_SECONDS = 3.0, 1.0
log = structlog.get_logger()


def consumer(
    settings: SinkSettings, group: str | None, *, largest_fetch: int = 4 << 20, fetch_min_bytes: int = 1
) -> AIOKafkaConsumer:
    """Returns a consumer that starts at the beginning of the log and never commits by itself.

    With `fetch_min_bytes` above 1 the broker answers a fetch once it has that many bytes, or after 100 ms.
    """
    return AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        group_id=settings.group(group) if group else None,
        group_instance_id=f"{group}-{settings.sink_instance}" if group and settings.sink_instance else None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=10_000,
        heartbeat_interval_ms=3_000,
        max_partition_fetch_bytes=largest_fetch,
        fetch_min_bytes=fetch_min_bytes,
        fetch_max_wait_ms=100,
        metadata_max_age_ms=60_000,
        **security(settings),
    )


def producer(settings: SinkSettings, *, linger_ms: int = 5) -> AIOKafkaProducer:
    """Returns a producer whose acknowledgement means that all in-sync replicas have the record, once."""
    return AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        linger_ms=linger_ms,
        max_request_size=32 << 20,
        partitioner=BY_NAME,
        **security(settings),
    )


async def start(settings: SinkSettings, *clients: AIOKafkaConsumer | AIOKafkaProducer) -> None:
    """Connects clients.

    Raises:
        Unavailable: Kafka does not answer; clients that had started are stopped again.
    """
    started: list[AIOKafkaConsumer | AIOKafkaProducer] = []
    try:
        for client in clients:
            started.append(client)
            await client.start()
    except (KafkaError, OSError) as error:
        for client in started:
            await client.stop()
        raise Unavailable(f"Kafka at {settings.kafka_bootstrap_servers} does not answer: {error}") from error


async def stop(*clients: AIOKafkaConsumer | AIOKafkaProducer) -> None:
    """Stops clients; gives up on those that Kafka's silence holds up: nothing of theirs is waited for any more."""
    _, pending = await asyncio.wait([asyncio.ensure_future(each.stop()) for each in clients], timeout=STOP_SECONDS)
    for each in pending:
        each.cancel()


async def require(settings: SinkSettings, client: AIOKafkaConsumer, topics: Iterable[Topic]) -> None:
    """Checks that our topics exist; a consumer would not report a missing one.

    Raises:
        Unavailable: a topic does not exist.
    """
    present = await client.topics()
    missing = sorted({settings.topic(topic) for topic in topics} - set(present))
    if missing:
        raise Unavailable(f"Kafka has no topic {', '.join(missing)} (create them: python -m schemas.admin create)")


class Fetches:
    """Fetches records and never holds up its loop: `getmany` waits until a rebalance ends, which Kafka's silence delays."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._running: asyncio.Task[dict[TopicPartition, list[Any]]] | None = None

    async def many(self, *, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Any]]:
        """Returns what came within the timeout; nothing while a rebalance goes on for longer than a second."""
        if self._running is None:
            self._running = asyncio.create_task(self._consumer.getmany(timeout_ms=timeout_ms, max_records=max_records))
        await asyncio.wait({self._running}, timeout=timeout_ms / 1000 + REBALANCE_SECONDS)
        if not self._running.done():
            return {}
        fetched, self._running = self._running, None
        return fetched.result()

    def stop(self) -> None:
        """Gives up a running fetch."""
        if self._running is not None:
            self._running.cancel()


def begin_at_zero(sink: str) -> None:
    """Lets the counters of a sink begin at 0, and shows that it does not wait for its target."""
    SINK_PAUSED.labels(sink).set(0)
    for reason, kind in (("broken_body", "undecodable"), ("defect", "defect")):
        SINK_DEAD_LETTERED.labels(sink, reason, kind)


class DeadLetters:
    """Writes the records that a sink cannot use to the dead-letter topic of their source."""

    def __init__(self, settings: SinkSettings, producer: AIOKafkaProducer, sink: str, topic: Topic) -> None:
        self._settings, self._producer, self._sink, self._topic = settings, producer, sink, topic

    async def write(self, rejected: Sequence[tuple[Record, str, Exception]], *, producer: str = "") -> None:
        """Writes a dead letter for each `(record, reason, error)`; returns when all are durable.

        A sink that is killed before its commit writes the same dead letter again, with the same `origin`.
        With `producer` only the command of that name can replay them, and they do not go back to their topic.
        """
        topic, now = self._settings.topic(self._topic), self._settings.pipeline_clock.now
        pending = []
        for record, reason, error in rejected:
            position = record.topic, record.partition, record.offset
            dead_letter = writer.of_record(
                record.key, record.value, position, error, reason=reason, stage=self._sink, at=now(), producer=producer
            )
            key = record_key(name_of(dead_letter.key))
            pending.append(await self._producer.send(topic, dead_letter.value, key=key, headers=dead_letter.headers))
        for future in pending:
            await future
        for _, reason, error in rejected:
            kind = getattr(error, "dead_letter_kind", "defect")
            SINK_DEAD_LETTERED.labels(self._sink, reason, kind).inc()
