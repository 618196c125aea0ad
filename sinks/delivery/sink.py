"""Hands `outbound` to the channels, each message once, each customer's in order: `python -m sinks delivery`.

Reports about mail come the same way (`mail_reports.py`), behind the mail that they are about.

Every record becomes a task. A task waits for the one before it with the same key, then until fewer than
`delivery_in_flight` messages of its partition are being handed over. So customers do not wait for each other, and a slow
or refused recipient delays no other. `message_delivery.py` hands a message over and records its outcome. An offset is
committed once the outcome is durable, up to the first unfinished record. A partition with too many unfinished records is
paused. Nothing in the loop waits for Kafka, so that `/livez` does not fail while Kafka is away; `/readyz` does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from schemas.codec import decode
from schemas.dead_letter.replay_markers import REPLAY_HEADER
from schemas.errors import CodecError, DeskstreamError
from schemas.facts import MailReport, Outbound
from schemas.kafka_watch import KafkaWatch
from schemas.metrics import DELIVERIES as DELIVERIES_TOTAL
from schemas.metrics import LAST_COMMIT_SECONDS, SINK_LAG_RECORDS, SINK_PAUSED
from schemas.process import Health
from schemas.record_key import name_of
from schemas.settings import SinkSettings
from schemas.topics import DEAD_LETTERS, DELIVERIES, OUTBOUND
from sinks import kafka
from sinks.delivery.adapter import Adapters
from sinks.delivery.mail_reports import MailReports
from sinks.delivery.message_delivery import MessageDelivery, bounded_channel
from sinks.delivery.partition import MOST_AT_ONCE, AssignedPartition
from sinks.delivery.sent_log import SentLog
from sinks.delivery.suppression_list import SuppressionList
from sinks.signals import stop_on_signals

__all__ = ["DeliverySink", "run"]

SINK = "delivery"
DLQ = next(topic for topic in DEAD_LETTERS if topic.name == OUTBOUND.dlq)
COMMIT_SECONDS = 0.2
REVOKE_SECONDS, LAST_COMMIT_WAIT_SECONDS, CLOSE_SECONDS = 5.0, 2.0, 2.0
log = structlog.get_logger()


class NotOutbound(DeskstreamError):
    """A record on `outbound` is not an outbound message."""


class DeliverySink:
    """Runs the loop. `run` returns after `stop()`: when running hand-overs have ended, or the drain time has."""

    def __init__(self, settings: SinkSettings, adapters: Adapters, health: Health) -> None:
        self._settings, self._adapters, self._health = settings, adapters, health
        self._consumer: AIOKafkaConsumer = kafka.consumer(settings, SINK)
        # A fact that lingers is a message that a kill doubles.
        self._producer: AIOKafkaProducer = kafka.producer(settings, linger_ms=0)
        self._dead_letters = kafka.DeadLetters(settings, self._producer, SINK, DLQ)
        self._fetches = kafka.Fetches(self._consumer)
        self._watch = KafkaWatch(self._consumer.topics, health)
        self._sent_log = SentLog(settings)
        self._suppressions = SuppressionList(settings, self._producer)
        self._reports = MailReports(settings, self._suppressions)
        self._messages = MessageDelivery(
            settings,
            adapters,
            self._producer,
            self._dead_letters,
            self._sent_log,
            self._reports,
            self._watch,
            health,
            lambda: len(self._partitions),
        )
        self._partitions: dict[TopicPartition, AssignedPartition] = {}
        self._stopping = asyncio.Event()
        self._next_commit = 0.0
        self._committing: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Begins no more messages; those that are being handed over are finished."""
        self._stopping.set()

    async def run(self) -> None:
        """Consumes until `stop()`.

        Raises:
            Unavailable: Kafka does not answer at the start, or a topic is missing.
        """
        await kafka.start(self._settings, self._consumer, self._producer)
        try:
            await kafka.require(self._settings, self._consumer, (OUTBOUND, DELIVERIES, DLQ))
            await self._suppressions.load()
            self._suppressions.follow()
            self._consumer.subscribe([self._settings.topic(OUTBOUND)], listener=_Rebalance(self))
            self._health.ready = True
            self._watch.start()
            while not self._stopping.is_set():
                await self._poll()
            self._health.ready = False
            await self._release(list(self._partitions.values()), self._settings.sink_drain_seconds)
        finally:
            self._watch.stop()
            self._fetches.stop()
            for partition in self._partitions.values():
                partition.cancel()
            await self._suppressions.close()
            await kafka.stop(self._consumer, self._producer)
            await _within(CLOSE_SECONDS, self._adapters.close())
            self._sent_log.close()

    async def _poll(self) -> None:
        """Fetches once, starts the messages that came, commits what is finished."""
        for where, records in (await self._fetches.many(timeout_ms=50, max_records=MOST_AT_ONCE)).items():
            partition = self._partitions.get(where)
            if partition is None:
                continue  # revoked meanwhile; its new owner reads them
            for record in records:
                self._start(partition, record)
        for where, partition in self._partitions.items():
            partition.advance()
            paused = where in self._consumer.paused()
            if partition.is_full and not paused:
                self._consumer.pause(where)
            elif partition.has_room and paused:
                self._consumer.resume(where)
        SINK_PAUSED.labels(SINK).set(int(self._messages.backoff.any_unavailable))
        if time.monotonic() >= self._next_commit and (self._committing is None or self._committing.done()):
            self._next_commit = time.monotonic() + COMMIT_SECONDS
            self._committing = asyncio.create_task(self._commit())
        self._health.beat()

    def _start(self, partition: AssignedPartition, record: Any) -> None:
        if partition.first is None:
            partition.first = record.offset
        name = name_of(record.key)
        before = partition.last_of_key.get(name)
        task = asyncio.create_task(self._see_through(partition, record, before))
        partition.last_of_key[name] = task
        partition.unfinished.append((record.offset, task))
        partition.running += 1

        def forget(finished: asyncio.Task[None]) -> None:
            partition.running -= 1
            if partition.last_of_key.get(name) is finished:
                del partition.last_of_key[name]

        task.add_done_callback(forget)

    async def _see_through(self, partition: AssignedPartition, record: Any, before: asyncio.Task[None] | None) -> None:
        """Delivers one message after the one before it of the same customer, unless the history has it."""
        if before is not None and not before.done():
            await asyncio.wait({before})
        if record.value is None:  # the tombstone of an erasure
            return
        try:
            message = decode(record.value)
            if not isinstance(message, Outbound | MailReport):
                raise NotOutbound(f"a {type(message).__name__} is no outbound message")
        except (CodecError, NotOutbound) as error:
            await self._dead_letters.write([(record, getattr(error, "reason", "not_outbound"), error)])
            return
        history = await asyncio.shield(partition.history)
        if isinstance(message, MailReport):
            with self._watch.waiting():
                await self._reports.take(message, history)
            return
        is_replay = any(name == REPLAY_HEADER for name, _ in record.headers)  # `dlq replay` sets it
        if history.done(message.outbound_id, is_replay=is_replay):
            DELIVERIES_TOTAL.labels(bounded_channel(message.channel), "duplicate").inc()
            return
        await self._messages.deliver(partition, record, message, history)

    async def _commit(self) -> None:
        due = {
            where: partition.finished_to
            for where, partition in self._partitions.items()
            if partition.finished_to is not None and partition.finished_to != partition.committed
        }
        self._measure_lag()
        if not due:
            return
        try:
            with self._watch.waiting():
                await self._consumer.commit(due)
        except KafkaError as error:  # a rebalance came first: the delivery history keeps them from going out again
            log.warning("commit_failed", error=str(error))
            return
        LAST_COMMIT_SECONDS.labels(SINK).set(time.time())
        for where, offset in due.items():
            if where in self._partitions:
                self._partitions[where].committed = offset

    async def _last_commit(self) -> None:
        if self._committing is not None:
            await asyncio.wait({self._committing})
        await self._commit()

    def _measure_lag(self) -> None:
        lag = 0
        for where, partition in self._partitions.items():
            end = self._consumer.highwater(where)
            lag += max(0, end - partition.finished_to) if end is not None and partition.finished_to is not None else 0
        SINK_LAG_RECORDS.labels(SINK, self._settings.topic(OUTBOUND)).set(lag)

    async def _release(self, partitions: list[AssignedPartition], seconds: float) -> None:
        """Begins no more messages of these partitions, lets running hand-overs end, commits, and forgets them."""
        tasks = []
        for partition in partitions:
            partition.closing.set()
            tasks += [task for _, task in partition.unfinished]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        for partition in partitions:
            with suppress(DeskstreamError, KafkaError):
                partition.advance()
        await _within(LAST_COMMIT_WAIT_SECONDS, self._last_commit())
        for partition in partitions:
            partition.cancel()
            self._partitions.pop(partition.partition, None)

    async def revoked(self, partitions: set[TopicPartition]) -> None:
        """Releases partitions before they may go to another consumer."""
        ours = [self._partitions[where] for where in partitions if where in self._partitions]
        await self._release(ours, REVOKE_SECONDS)

    def assigned(self, partitions: set[TopicPartition]) -> None:
        """Begins to read the delivery history of new partitions; their first message waits for it."""
        self._sent_log.reload()
        for where in partitions:
            if where not in self._partitions:
                self._partitions[where] = AssignedPartition(where, self._settings)


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, sink: DeliverySink) -> None:
        self._sink = sink

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._sink.revoked(set(revoked))

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._sink.assigned(set(assigned))


async def _within(seconds: float, work: Coroutine[Any, Any, None]) -> None:
    """Does the last work of a partition or process, and gives it up after `seconds`: Kafka or a server is away."""
    with suppress(TimeoutError):
        await asyncio.wait_for(work, seconds)


async def run(settings: SinkSettings, adapters: Adapters, health: Health) -> None:
    """Runs the sink until SIGTERM or SIGINT, then drains it."""
    sink = DeliverySink(settings, adapters, health)
    stop_on_signals(sink.stop)
    await sink.run()
