"""Hands one outbound message to its channel, and records the outcome as a DeliveryFact.

| the adapter                     | then                                                                              |
|---------------------------------|-----------------------------------------------------------------------------------|
| returns                         | noted in the log of sent messages, then DeliveryFact `delivered`                  |
| raises ServiceUnavailable       | every message of the channel waits and is retried without limit; SINK_PAUSED is 1 |
| raises TryLater (SMTP 4xx)      | this message is retried for `delivery_retry_seconds`, then bounces                |
| raises AnswerLost               | this message is retried `delivery_answer_retries` times, then bounces             |
| raises Undeliverable (SMTP 5xx) | DeliveryFact `bounced` or `refused`, and a dead letter that can be replayed       |
| raises anything else (a defect) | the same, `refused` as `defect`: the messages behind it go on                     |

A message to a suppressed address (`mail_reports.py`) is refused before; only a reply becomes a dead letter then.

`retries.py` decides about a message that fails while others of its channel do not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError

from schemas import identity
from schemas.clock import MICROS
from schemas.codec import encode
from schemas.events import CHANNELS
from schemas.facts import DeliveryFact, Outbound
from schemas.kafka_watch import KafkaWatch
from schemas.metrics import DELIVERIES as DELIVERIES_TOTAL
from schemas.metrics import DELIVERY_SECONDS
from schemas.process import Health
from schemas.record_key import name_of, record_key
from schemas.settings import SinkSettings
from schemas.text import encodable
from schemas.topics import DELIVERIES
from sinks import kafka
from sinks.delivery.adapter import Adapters, AnswerLost, Attempt, ServiceUnavailable, TryLater, Undeliverable
from sinks.delivery.channel_backoff import ChannelBackoff
from sinks.delivery.first_time import FirstTimeCap
from sinks.delivery.history import DeliveryHistory, their_ids
from sinks.delivery.mail_reports import MailReports, recipients_of
from sinks.delivery.partition import AssignedPartition
from sinks.delivery.retries import MessageRetries
from sinks.delivery.sent_log import SentLog

__all__ = ["MessageDelivery", "begin_at_zero", "bounded_channel"]

WRITE_ATTEMPTS, WRITE_WAIT_SECONDS = 10, 1.0
log = structlog.get_logger()


def bounded_channel(channel: str) -> str:
    """Returns the channel as a metric's label: `other` for a name that is no channel of ours."""
    return channel if channel in CHANNELS else "other"


def begin_at_zero() -> None:
    """Lets the counters of every channel begin at 0."""
    for channel in CHANNELS:
        DELIVERY_SECONDS.labels(channel)
        for outcome in ("delivered", "bounced", "refused", "duplicate"):
            DELIVERIES_TOTAL.labels(channel, outcome)


class MessageDelivery:
    """Delivers messages, many at once. `backoff` tells which channels are unavailable, `assigned()` counts our partitions."""

    def __init__(
        self,
        settings: SinkSettings,
        adapters: Adapters,
        producer: AIOKafkaProducer,
        dead_letters: kafka.DeadLetters,
        sent_log: SentLog,
        reports: MailReports,
        watch: KafkaWatch,
        health: Health,
        assigned: Callable[[], int],
    ) -> None:
        self._settings, self._adapters, self._producer, self._health = settings, adapters, producer, health
        self._dead_letters, self._sent_log, self._watch = dead_letters, sent_log, watch
        self._reports = reports
        self._assigned, self._first_time = assigned, FirstTimeCap(settings)
        self.backoff = ChannelBackoff()

    async def deliver(
        self, partition: AssignedPartition, record: Any, message: Outbound, history: DeliveryHistory
    ) -> None:
        """Delivers a message; returns when its outcome is durable and in the history.

        Raises:
            CancelledError: the partition is given up; the record stays unfinished.
            KafkaError: Kafka does not take the outcome.
        """
        answer: str | Undeliverable
        with self._watch.waiting():
            allowed = await self._reports.allowed(message)
        if (noted := self._sent_log.answer_to(message.outbound_id)) is not None:
            log.info("taken_before_restart", channel=message.channel, outbound_id=message.outbound_id)
            answer, attempts = noted, 1
        elif isinstance(allowed, Undeliverable):
            answer, attempts = allowed, 0
        elif held_back := self._first_time.refusal(message, self._assigned(), self._settings.pipeline_clock.now()):
            answer, attempts = held_back, 0
        else:
            message = allowed
            earlier = partition.earlier_attempt(record, message, history)
            answer, attempts = await self._try_until_decided(partition, message, earlier)
        if isinstance(answer, Undeliverable):
            outcome, detail = answer.outcome, encodable(str(answer))
            if answer.reason != "suppressed" or message.kind == "reply":  # nobody misses what nobody wrote
                with self._watch.waiting():
                    await self._dead_letters.write([(record, answer.reason, answer)])
            with self._watch.waiting():
                await self._reports.refused_by_server(message, answer, record.partition)
        else:
            outcome, detail = "delivered", answer
        sent_to = recipients_of(message) if outcome == "delivered" and message.message_id else []
        keys = [self._reports.key_of(each) for each in sent_to]
        message_key = identity.message_key(message.message_id) if keys else 0
        await self._record_outcome(record, message, outcome, detail, attempts, message_key, keys)
        history.add(message.outbound_id, outcome, their_ids(message.channel, outcome, detail))
        if keys:
            history.add_mail(message_key, keys)

    async def _try_until_decided(
        self, partition: AssignedPartition, message: Outbound, earlier: Attempt | None
    ) -> tuple[str | Undeliverable, int]:
        """Tries a message until it is taken or given up; returns the service's answer or the bounce, and the attempts.

        Attempts count only when the service answered or may have taken the message.
        """
        channel, retries = message.channel, MessageRetries(self._settings)
        while True:
            await self._sleep(partition, self.backoff.seconds(channel))
            try:
                async with partition.in_flight:
                    if partition.closing.is_set():
                        raise asyncio.CancelledError
                    answer = encodable(await self._adapters.of(channel).deliver(message, earlier))
                    self._sent_log.note(message.outbound_id, answer)
                self._channel_works(channel)
                return answer, retries.attempts + 1
            except ServiceUnavailable as error:
                if retries.blames_channel(self.backoff.answered(channel)):
                    self._channel_failed(channel, error)
                wait = retries.unavailable(error)
            except AnswerLost as error:
                log.warning("answer_lost", channel=channel, outbound_id=message.outbound_id, error=str(error))
                if retries.blames_channel(self.backoff.answered(channel)):
                    self._channel_failed(channel, error)
                wait = retries.lost(error)
            except TryLater as error:
                self._channel_works(channel)
                wait = retries.later(error)
            except Undeliverable as error:
                if error.outcome == "bounced":
                    self._channel_works(channel)
                    retries.attempts += 1
                return error, retries.attempts
            except Exception as error:  # a defect of ours must not hold up every message behind this one
                log.exception("adapter_failed", channel=channel, outbound_id=message.outbound_id)
                defect = Undeliverable("refused", "defect", f"{type(error).__name__}: {error}")
                defect.__cause__ = error
                return defect, retries.attempts
            if isinstance(wait, Undeliverable):
                return wait, retries.attempts
            await self._sleep(partition, wait)

    async def _sleep(self, partition: AssignedPartition, seconds: float) -> None:
        """Waits; raises CancelledError as soon as the partition is given up."""
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(partition.closing.wait(), seconds)
        if partition.closing.is_set():
            raise asyncio.CancelledError

    async def _record_outcome(
        self,
        record: Any,
        message: Outbound,
        outcome: str,
        detail: str,
        attempts: int,
        message_key: int,
        address_keys: list[str],
    ) -> None:
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
            message_key=message_key,
            address_keys=address_keys,
            brand=message.brand,
        )
        await self._write_durably(encode(fact), record)
        channel = bounded_channel(message.channel)
        DELIVERIES_TOTAL.labels(channel, outcome).inc()
        wall_seconds = (now - message.at) / MICROS / self._settings.pipeline_clock.speed
        DELIVERY_SECONDS.labels(channel).observe(max(0.0, wall_seconds))

    async def _write_durably(self, fact: bytes, record: Any) -> None:
        """Writes a fact: retried without limit while Kafka is away, and WRITE_ATTEMPTS times when it refuses the fact.

        Without its fact the message would go out again.
        """
        refusals = 0
        while True:
            try:
                with self._watch.waiting():
                    await self._producer.send_and_wait(
                        self._settings.topic(DELIVERIES),
                        fact,
                        key=record_key(name_of(record.key)),
                        partition=record.partition,
                    )
                return
            except KafkaError as error:
                refusals += not (error.retriable or isinstance(error, KafkaTimeoutError))
                if refusals == WRITE_ATTEMPTS:
                    raise
                log.warning("fact_tried_again", refusals=refusals, error=repr(error))
                await asyncio.sleep(WRITE_WAIT_SECONDS)

    def _channel_failed(self, channel: str, error: ServiceUnavailable | AnswerLost) -> None:
        if not self.backoff.seconds(channel):
            log.warning("channel_away", channel=channel, error=str(error))
        self.backoff.failed(channel)
        self._health.problem = f"{channel}: {error}"

    def _channel_works(self, channel: str) -> None:
        was_unavailable = self.backoff.any_unavailable
        self.backoff.works(channel)
        if was_unavailable and not self.backoff.any_unavailable:
            self._health.problem = ""
            log.info("channel_back", channel=channel)
