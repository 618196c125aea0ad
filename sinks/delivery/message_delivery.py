"""Hands one outbound message to its channel, and records the outcome as a DeliveryFact.

| the adapter                     | then                                                                              |
|---------------------------------|-----------------------------------------------------------------------------------|
| returns                         | DeliveryFact `delivered`                                                          |
| raises ServiceUnavailable       | every message of the channel waits and is retried without limit; SINK_PAUSED is 1 |
| raises TryLater (SMTP 4xx)      | this message is retried for `delivery_retry_seconds`, then bounces                |
| raises Undeliverable (SMTP 5xx) | DeliveryFact `bounced` or `refused`, and a dead letter that can be replayed       |
| raises anything else (a defect) | the same, `refused` as `defect`: the messages behind it go on                     |
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.backoff import Backoff
from schemas.clock import MICROS
from schemas.codec import encode
from schemas.events import CHANNELS
from schemas.facts import DeliveryFact, Outbound
from schemas.metrics import DELIVERIES as DELIVERIES_TOTAL
from schemas.metrics import DELIVERY_SECONDS
from schemas.process import Health
from schemas.settings import SinkSettings
from schemas.topics import DELIVERIES
from sinks import kafka
from sinks.delivery.adapter import Adapters, Attempt, ServiceUnavailable, TryLater, Undeliverable
from sinks.delivery.channel_backoff import FIRST_WAIT_SECONDS, ChannelBackoff
from sinks.delivery.history import DeliveryHistory, their_ids
from sinks.delivery.partition import AssignedPartition

__all__ = ["MessageDelivery", "bounded_channel"]

LONGEST_MESSAGE_WAIT_SECONDS = 60.0
WRITE_ATTEMPTS, WRITE_WAIT_SECONDS = 10, 1.0
log = structlog.get_logger()


def bounded_channel(channel: str) -> str:
    """Returns the channel as a metric's label: `other` for a name that is no channel of ours."""
    return channel if channel in CHANNELS else "other"


class MessageDelivery:
    """Delivers messages, many at once. `backoff` tells which channels are unavailable."""

    def __init__(
        self,
        settings: SinkSettings,
        adapters: Adapters,
        producer: AIOKafkaProducer,
        dead_letters: kafka.DeadLetters,
        health: Health,
    ) -> None:
        self._settings, self._adapters, self._producer, self._health = settings, adapters, producer, health
        self._dead_letters = dead_letters
        self.backoff = ChannelBackoff()

    async def deliver(
        self, partition: AssignedPartition, record: Any, message: Outbound, history: DeliveryHistory
    ) -> None:
        """Delivers a message; returns when its outcome is durable and in the history.

        Raises:
            CancelledError: the partition is given up; the record stays unfinished.
            KafkaError: Kafka does not take the outcome.
        """
        earlier = partition.earlier_attempt(record, message, history)
        answer, attempts = await self._try_until_decided(partition, message, earlier)
        if isinstance(answer, Undeliverable):
            outcome, detail = answer.outcome, str(answer)
            await self._dead_letters.write([(record, answer.reason, answer)])
        else:
            outcome, detail = "delivered", answer
        await self._record_outcome(record, message, outcome, detail, attempts)
        history.add(message.outbound_id, outcome, their_ids(message.channel, outcome, detail))

    async def _try_until_decided(
        self, partition: AssignedPartition, message: Outbound, earlier: Attempt | None
    ) -> tuple[str | Undeliverable, int]:
        """Tries a message until it is taken or refused; returns the service's answer or the refusal, and the attempts.

        Attempts count only when the service answered.
        """
        attempts, backoff = 0, Backoff(FIRST_WAIT_SECONDS, LONGEST_MESSAGE_WAIT_SECONDS)
        give_up_at = time.monotonic() + self._settings.delivery_retry_seconds
        while True:
            await self._sleep(partition, self.backoff.seconds(message.channel))
            try:
                async with partition.in_flight:
                    if partition.closing.is_set():
                        raise asyncio.CancelledError
                    answer = await self._adapters.of(message.channel).deliver(message, earlier)
                self._channel_works(message.channel)
                return answer, attempts + 1
            except ServiceUnavailable as error:
                self._channel_failed(message.channel, error)
            except TryLater as error:
                self._channel_works(message.channel)
                attempts += 1
                if time.monotonic() >= give_up_at:
                    return Undeliverable("bounced", "retries_exhausted", str(error)), attempts
                await self._sleep(partition, backoff.failed())
            except Undeliverable as error:
                return error, attempts + (error.outcome == "bounced")
            except Exception as error:  # a defect of ours must not hold up every message behind this one
                log.exception("adapter_failed", channel=message.channel, outbound_id=message.outbound_id)
                defect = Undeliverable("refused", "defect", f"{type(error).__name__}: {error}")
                defect.__cause__ = error
                return defect, attempts

    async def _sleep(self, partition: AssignedPartition, seconds: float) -> None:
        """Waits; raises CancelledError as soon as the partition is given up."""
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(partition.closing.wait(), seconds)
        if partition.closing.is_set():
            raise asyncio.CancelledError

    async def _record_outcome(self, record: Any, message: Outbound, outcome: str, detail: str, attempts: int) -> None:
        """Writes the DeliveryFact to the same partition; its version is the message's offset."""
        now = self._settings.pipeline_clock.now()
        fact = DeliveryFact(
            customer_tag=message.customer_tag,
            version=record.offset,
            partition=record.partition,
            at=now,
            outbound_id=message.outbound_id,
            ticket_id=message.ticket_id,
            channel=message.channel,
            kind=message.kind,
            outcome=outcome,
            attempts=attempts,
            detail=detail[:500],
        )
        await self._write_durably(encode(fact), record)
        channel = bounded_channel(message.channel)
        DELIVERIES_TOTAL.labels(channel, outcome).inc()
        wall_seconds = (now - message.at) / MICROS / self._settings.pipeline_clock.speed
        DELIVERY_SECONDS.labels(channel).observe(max(0.0, wall_seconds))

    async def _write_durably(self, fact: bytes, record: Any) -> None:
        """Writes a fact, retried while Kafka refuses it: without its fact the message would go out again."""
        for attempt in range(1, WRITE_ATTEMPTS + 1):
            try:
                await self._producer.send_and_wait(
                    self._settings.topic(DELIVERIES), fact, key=record.key, partition=record.partition
                )
                return
            except KafkaError as error:
                if attempt == WRITE_ATTEMPTS:
                    raise
                self._health.problem = f"Kafka does not take a delivery fact: {error!r}"
                log.warning("fact_tried_again", attempt=attempt, error=repr(error))
                await asyncio.sleep(WRITE_WAIT_SECONDS)

    def _channel_failed(self, channel: str, error: ServiceUnavailable) -> None:
        if not self.backoff.seconds(channel):
            log.warning("channel_away", channel=channel, error=str(error))
        self.backoff.failed(channel)
        self._health.problem = f"{channel}: {error}"

    def _channel_works(self, channel: str) -> None:
        if self.backoff.any_unavailable:
            self.backoff.works(channel)
            if not self.backoff.any_unavailable:
                self._health.problem = ""
                log.info("channel_back", channel=channel)
