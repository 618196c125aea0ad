"""Holds what is known against writing to addresses: read from the compacted topic `suppressions`, and written there.

Each sink reads all of it at its start and follows it from then on: what another sink or `delivery release` writes takes effect
within a second. What a sink writes itself is in force once Kafka has it.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from schemas import identity
from schemas.codec import decode, encode
from schemas.errors import CodecError
from schemas.facts import SuppressionFact
from schemas.settings import SinkSettings
from schemas.topics import SUPPRESSIONS
from sinks import kafka

__all__ = ["SuppressionList"]

_WAIT_SECONDS, _WRITE_ATTEMPTS = 1.0, 10
log = structlog.get_logger()


class SuppressionList:
    """Maps address keys to what is known of them. `producer` is started by the caller."""

    def __init__(self, settings: SinkSettings, producer: AIOKafkaProducer) -> None:
        self._settings, self._producer = settings, producer
        self._source = TopicPartition(settings.topic(SUPPRESSIONS), 0)
        self._facts: dict[str, SuppressionFact] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._following: asyncio.Task[None] | None = None

    async def load(self) -> None:
        """Reads the topic up to its end at this moment.

        Raises:
            Unavailable: Kafka does not answer, or the topic is missing.
        """
        self._consumer = kafka.consumer(self._settings, None)
        await kafka.start(self._settings, self._consumer)
        await kafka.require(self._settings, self._consumer, (SUPPRESSIONS,))
        self._consumer.assign([self._source])
        await self._consumer.seek_to_beginning(self._source)
        end = (await self._consumer.end_offsets([self._source]))[self._source]
        while await self._consumer.position(self._source) < end:
            await self._read(self._consumer)

    def follow(self) -> None:
        """Begins to read on in the background."""
        self._following = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Stops reading."""
        if self._following is not None:
            self._following.cancel()
        if self._consumer is not None:
            await kafka.stop(self._consumer)

    def of(self, address: str) -> SuppressionFact | None:
        """Returns what is known of an address, under whatever secret it was written."""
        return next((self._facts[key] for key in identity.address_keys(address) if key in self._facts), None)

    def of_key(self, key: str) -> SuppressionFact | None:
        """Returns what is known of the address with this key."""
        return self._facts.get(key)

    @property
    def facts(self) -> list[SuppressionFact]:
        """What is known, the newest last."""
        return sorted(self._facts.values(), key=lambda fact: fact.at)

    async def put(self, fact: SuppressionFact) -> None:
        """Writes what is known now; retried without limit while Kafka is away.

        Raises:
            KafkaError: Kafka refuses it.
        """
        refusals = 0
        while True:
            try:
                await self._producer.send_and_wait(
                    self._source.topic, encode(fact), key=fact.address_key.encode(), partition=0
                )
                break
            except KafkaError as error:
                refusals += not error.retriable
                if refusals == _WRITE_ATTEMPTS:
                    raise
                log.warning("suppression_tried_again", error=repr(error))
                await asyncio.sleep(_WAIT_SECONDS)
        self._take(fact)

    async def _follow(self) -> None:
        assert self._consumer is not None
        while True:
            try:
                await self._read(self._consumer)
            except Exception as error:  # what is known stays in force; the topic is read on when it can be
                log.warning("suppressions_away", error=repr(error))
                await asyncio.sleep(_WAIT_SECONDS)

    async def _read(self, consumer: Any) -> None:
        for records in (await consumer.getmany(timeout_ms=200, max_records=2000)).values():
            for record in records:
                try:
                    fact = decode(record.value or b"")
                except CodecError:  # the ClickHouse sink makes a dead letter of it
                    continue
                if isinstance(fact, SuppressionFact):
                    self._take(fact)
        await asyncio.sleep(0)

    def _take(self, fact: SuppressionFact) -> None:
        known = self._facts.get(fact.address_key)
        if known is None or known.version <= fact.version:
            self._facts[fact.address_key] = fact
