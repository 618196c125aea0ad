"""Reads the topic `rules` to its end, and publishes to it. No other module knows how versions are stored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from schemas import codec, metrics
from schemas.errors import CodecError, Unavailable
from schemas.kafka_security import security
from schemas.published import IncidentChanged, RulesPublished
from schemas.record_key import BY_NAME, record_key
from schemas.rulesets import PublishedRulesets
from schemas.settings import Settings
from schemas.topics import RULES

__all__ = ["RulesTopic", "append"]

log = structlog.get_logger()
TIMEOUT_SECONDS = 10.0
_LARGEST = 8_000_000
#: The fetch that is under way when a look is done ends so soon.
_FETCH_WAITS_MS = 20


class RulesTopic:
    """Holds the published rules up to where `look` has read. One look at a time."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.published = settings, PublishedRulesets()
        self._partition = TopicPartition(settings.topic(RULES), 0)
        self._consumer: AIOKafkaConsumer | None = None

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: Settings) -> AsyncIterator[RulesTopic]:
        """Yields the topic, read to its end, for a command; closes it afterwards. Raises Unavailable."""
        topic = cls(settings)
        try:
            await topic.look()
            yield topic
        finally:
            await topic.close()

    async def look(self) -> None:
        """Reads to the end as it is now; `published` then holds all that counts.

        Raises:
            Unavailable: Kafka does not answer, or the topic is missing; the next look tries again.
        """
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                consumer = await self._connected()
                end = (await consumer.end_offsets([self._partition]))[self._partition]
                if await consumer.position(self._partition) < end:
                    consumer.resume(self._partition)
                while await consumer.position(self._partition) < end:
                    for messages in (await consumer.getmany(self._partition, timeout_ms=200)).values():
                        for message in messages:
                            self._take(message)
                # A broker answers one connection in order: behind a fetch that waits for more, the next question for
                # the end would wait as well, and every batch with it.
                consumer.pause(self._partition)
        except (KafkaError, TimeoutError, OSError) as error:
            await self.close()
            raise _no_answer(self.settings, self._partition.topic, error) from error

    async def publish(self, record: RulesPublished | IncidentChanged) -> None:
        """Appends a record and waits until it is durable. The next look tells whether it counts.

        Raises:
            Unavailable: Kafka does not answer.
        """
        key = f"incident {record.incident}" if isinstance(record, IncidentChanged) else record.version
        await append(self.settings, self._partition.topic, [(key, codec.encode(record))], partition=0)

    async def close(self) -> None:
        """Disconnects; a later look connects again and reads from the beginning."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self.settings.kafka_bootstrap_servers,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_partition_fetch_bytes=_LARGEST,
                fetch_max_wait_ms=_FETCH_WAITS_MS,
                **security(self.settings),
            )
            try:
                await consumer.start()
                consumer.assign([self._partition])
                self.published = PublishedRulesets()  # read again from the beginning, with the same result
                await consumer.seek_to_beginning(self._partition)
            except BaseException:
                await consumer.stop()
                raise
            self._consumer = consumer
        return self._consumer

    def _take(self, message: object) -> None:
        value, offset, stored_ms = message.value, message.offset, message.timestamp  # type: ignore[attr-defined]
        try:
            record = codec.decode(value or b"")
            if not isinstance(record, RulesPublished | IncidentChanged):
                raise CodecError(f"a {type(record).__name__}")
        except CodecError as error:
            metrics.RULES_REFUSED.labels("undecodable").inc()
            log.error(
                "a record of the rules cannot be read", topic=self._partition.topic, offset=offset, error=str(error)
            )
            return
        if isinstance(record, IncidentChanged):
            if not self.published.add_incident(record, stored_ms * 1000):
                metrics.RULES_REFUSED.labels("late").inc()
                log.warning("an incident was published too late", incident=record.incident, offset=offset)
            return
        if self.published.add(record, stored_ms * 1000) is None and not self.published.repeats(record):
            metrics.RULES_REFUSED.labels("late").inc()
            log.warning("rules were published too late and do not count", version=record.version, offset=offset)


async def append(
    settings: Settings, topic: str, records: Sequence[tuple[str, bytes]], partition: int | None = None
) -> None:
    """Writes (key, value) of each record; the key decides the partition where none is given.

    Raises:
        Unavailable: Kafka does not answer.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        compression_type="gzip",
        partitioner=BY_NAME,
        max_request_size=_LARGEST,
        request_timeout_ms=int(TIMEOUT_SECONDS * 1000),
        **security(settings),
    )
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await producer.start()
            # The log of rules has keys that say something; a topic of many names has unique ones.
            made = record_key if partition is None else bytes
            sent = [await producer.send(topic, value, made(key.encode()), partition) for key, value in records]
            await asyncio.gather(*sent)
    except (KafkaError, TimeoutError, OSError) as error:
        raise _no_answer(settings, topic, error) from error
    finally:
        await producer.stop()


def _no_answer(settings: Settings, topic: str, error: Exception) -> Unavailable:
    """Returns the error that names the servers and the topic."""
    servers = settings.kafka_bootstrap_servers
    return Unavailable(f"Kafka at {servers} does not answer for {topic}: {str(error) or 'in time'}")


def wall_micros() -> int:
    """Returns the wall time in micros, as the broker stamps records."""
    return time.time_ns() // 1000
