"""Writes each attempt as a fact to `deliveries`, which ClickHouse shows as `webhook_deliveries`, and counts it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.codec import encode
from schemas.facts import Fact, WebhookDelivered
from schemas.metrics import WEBHOOK_BREAKER, WEBHOOK_DELIVERIES, WEBHOOK_SECONDS
from schemas.record_key import record_key
from schemas.settings import SinkSettings
from schemas.topics import DELIVERIES
from sinks.webhooks.payload import fact_id, name_of
from sinks.webhooks.retry_decision import Answer

__all__ = ["DeliveryLog", "begin_at_zero"]

WRITE_ATTEMPTS, WRITE_WAIT_SECONDS = 10, 1.0
log = structlog.get_logger()


def begin_at_zero(subscriptions: Iterable[str]) -> None:
    """Lets the counters of every subscription begin at 0; its circuit breaker is closed."""
    for name in subscriptions:
        WEBHOOK_BREAKER.labels(name).set(0)
        WEBHOOK_SECONDS.labels(name)
        for outcome in ("delivered", "retried", "dead_lettered", "switched_off"):
            WEBHOOK_DELIVERIES.labels(name, outcome)


class DeliveryLog:
    """Writes the delivery log. Calls `problem` with a text while Kafka refuses it, and with '' afterwards."""

    def __init__(
        self, settings: SinkSettings, producer: AIOKafkaProducer, problem: Callable[[str], None] = lambda text: None
    ) -> None:
        self._settings, self._producer, self._problem = settings, producer, problem

    async def write(
        self, subscription: str, delivery: str, fact: Fact, partition: int, attempt: int, outcome: str, answer: Answer
    ) -> None:
        """Records one attempt; returns when the record is durable.

        Raises:
            KafkaError: Kafka does not take it in ten attempts, one second apart.
        """
        WEBHOOK_DELIVERIES.labels(subscription, outcome).inc()
        WEBHOOK_SECONDS.labels(subscription).observe(answer.seconds)
        delivered = WebhookDelivered(
            customer_tag=fact.customer_tag,
            version=max(0, fact.version),
            partition=partition,
            at=self._settings.pipeline_clock.now(),
            delivery_id=delivery,
            subscription=subscription,
            fact=name_of(type(fact)),
            fact_id=fact_id(fact),
            attempt=attempt,
            outcome=outcome,
            status=answer.status,
            seconds=round(answer.seconds, 6),
            detail=answer.detail[:500],
        )
        await self._write_durably(encode(delivered), record_key(fact.customer_tag.encode()), partition)

    async def _write_durably(self, value: bytes, key: bytes, partition: int) -> None:
        for attempt in range(1, WRITE_ATTEMPTS + 1):
            try:
                where: Any = {"key": key, "partition": partition}
                await self._producer.send_and_wait(self._settings.topic(DELIVERIES), value, **where)
                if attempt > 1:
                    self._problem("")
                return
            except KafkaError as error:
                if attempt == WRITE_ATTEMPTS:
                    raise
                self._problem(f"Kafka does not take the delivery log: {error!r}")
                log.warning("log_tried_again", attempt=attempt, error=repr(error))
                await asyncio.sleep(WRITE_WAIT_SECONDS)
