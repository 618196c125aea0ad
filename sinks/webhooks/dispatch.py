"""Moves facts from Kafka to the receiver of one subscription, each customer's in order.

Every subscription is a consumer group with its own connections: a slow or dead receiver delays only itself. Facts of one
customer go out one after the other, in the order of their topic; those of different customers do not wait for each other.
`receiver.py` sends a fact, `retry_decision.py` decides what its answer means. An offset is committed once its fact was
delivered or is a dead letter, and all facts before it as well. After a kill some facts go out again, with the
`Deskstream-Delivery` they had before.

While the breaker is not closed, no facts are read. Its state is in the metadata of the commits, where `webhooks list`
reads it.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from schemas.circuit_breaker import State
from schemas.codec import HEADER_BYTES, decode
from schemas.errors import CodecError, DeskstreamError
from schemas.facts import Fact
from schemas.metrics import LAST_COMMIT_SECONDS, SINK_LAG_RECORDS
from schemas.process import Health
from schemas.record_key import name_of
from schemas.settings import SinkSettings
from schemas.topics import DELIVERIES
from sinks import kafka
from sinks.webhooks.offset_tracker import OffsetTracker
from sinks.webhooks.payload import kinds_by_header
from sinks.webhooks.receiver import DLQ, Receiver
from sinks.webhooks.subscriptions import Subscription

__all__ = ["Dispatch"]

MOST_TASKS = 500
#: Records that are finished but stand behind one that is not; after a kill they go out again.
MOST_AHEAD = 20_000
COMMIT_SECONDS = 0.2
REVOKE_SECONDS = 5.0
log = structlog.get_logger()


class Dispatch:
    """Runs the loop of one subscription. `run` returns after `stop()`."""

    def __init__(self, subscription: Subscription, settings: SinkSettings, health: Health) -> None:
        self._subscription, self._settings = subscription, settings
        self._log = log.bind(subscription=subscription.name)
        self._consumer: AIOKafkaConsumer = kafka.consumer(settings, subscription.group)
        self._producer: AIOKafkaProducer = kafka.producer(settings)
        self._receiver = Receiver(subscription, settings, self._producer, health)
        self._trackers: dict[TopicPartition, OffsetTracker] = {}
        self._new: set[TopicPartition] = set()
        self._last_of_key: dict[bytes | None, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._full = False
        self._stopping = asyncio.Event()
        self._next_commit = 0.0
        #: True once the consumer has subscribed; and when the loop ran last, in monotonic seconds.
        self.ready, self.polled_at = False, time.monotonic()

    def stop(self) -> None:
        """Starts no more attempts; those that run are finished."""
        self._stopping.set()

    async def run(self) -> None:
        """Consumes until `stop()`.

        Raises:
            Unavailable: Kafka does not answer at the start, or a topic is missing.
        """
        await kafka.start(self._settings, self._consumer, self._producer)
        self._receiver.open()
        try:
            topics = self._subscription.topics
            await kafka.require(self._settings, self._consumer, (*topics, DELIVERIES, DLQ))
            names = [self._settings.topic(topic) for topic in topics]
            self._consumer.subscribe(names, listener=_Rebalance(self))
            self.ready = True
            while not self._stopping.is_set() and self._receiver.breaker.state is not State.OFF:
                await self._poll()
            await self._release(list(self._trackers), self._settings.sink_drain_seconds)
        finally:
            for task in self._tasks:
                task.cancel()
            await self._consumer.stop()
            await self._producer.stop()
            await self._receiver.close()
        while not self._stopping.is_set():  # switched off: it owns nothing, and the other subscriptions go on
            self.polled_at = time.monotonic()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 0.5)

    async def _poll(self) -> None:
        """Fetches once, starts the facts that came, commits what is finished."""
        await self._choose_start()
        for partition, records in (await self._consumer.getmany(timeout_ms=50, max_records=500)).items():
            tracker = self._trackers.get(partition)
            if tracker is None:
                continue  # revoked meanwhile; its new owner reads them
            if partition in self._new:  # assigned meanwhile: its start must be chosen first
                self._consumer.seek(partition, records[0].offset)
                continue
            for record in records:
                tracker.add(record.offset, self._start(record))
        for tracker in self._trackers.values():
            tracker.advance()
        self._hold_back()
        if time.monotonic() >= self._next_commit:
            self._next_commit = time.monotonic() + COMMIT_SECONDS
            await self._commit()
        self.polled_at = time.monotonic()

    async def _choose_start(self) -> None:
        """Moves a subscription with `start: now` to the end of partitions that it never committed."""
        for partition in list(self._new):
            self._new.discard(partition)
            if self._subscription.start == "now" and await self._consumer.committed(partition) is None:
                await self._consumer.seek_to_end(partition)
                tracker = self._trackers.get(partition)
                if tracker is not None:
                    tracker.finished_to = await self._consumer.position(partition)

    def _hold_back(self) -> None:
        """Pauses reading while the breaker is not closed, or too much is unfinished.

        When no fact is left to be the probe, reading goes on as soon as a probe may begin.
        """
        breaker = self._receiver.breaker
        self._full = len(self._tasks) >= (MOST_TASKS // 2 if self._full else MOST_TASKS)
        held = self._full or (breaker.state is not State.CLOSED and bool(self._tasks or breaker.wait_seconds))
        paused = self._consumer.paused()
        for partition, tracker in self._trackers.items():
            hold = held or len(tracker.unfinished) >= MOST_AHEAD
            if hold and partition not in paused:
                self._consumer.pause(partition)
            elif not hold and partition in paused:
                self._consumer.resume(partition)

    def _start(self, record: Any) -> asyncio.Task[None] | None:
        """Starts the task that sees a record through; returns None when the subscription does not want it."""
        if record.value is None:  # the tombstone of an erasure
            return None
        kind = kinds_by_header().get(record.value[:HEADER_BYTES])
        if kind is not None and kind not in self._subscription.facts:
            return None
        name = name_of(record.key)
        try:
            fact = decode(record.value)
        except CodecError as error:
            work = self._receiver.dead_letter(record, error.reason, error)
        else:
            if not self._subscription.wants(fact):
                return None
            work = self._see_through(record, fact, self._last_of_key.get(name))
        task = asyncio.create_task(work)
        self._tasks.add(task)
        self._last_of_key[name] = task

        def forget(finished: asyncio.Task[None]) -> None:
            self._tasks.discard(finished)
            if self._last_of_key.get(name) is finished:
                del self._last_of_key[name]

        task.add_done_callback(forget)
        return task

    async def _see_through(self, record: Any, fact: Fact, before: asyncio.Task[None] | None) -> None:
        """Sends one fact after the one before it of the same customer."""
        if before is not None and not before.done():
            await asyncio.wait({before})
        if before is not None and (before.cancelled() or before.exception()):
            raise asyncio.CancelledError  # the one before it was given back, so this one is as well
        await self._receiver.see_through(record, fact)

    async def _commit(self) -> None:
        state = self._receiver.state_text
        due = {part: what for part, tracker in self._trackers.items() if (what := tracker.due(state)) is not None}
        self._measure_lag()
        if not due:
            return
        try:
            await self._consumer.commit(due)
        except KafkaError as error:  # a rebalance came first: the same facts go out again, with the same ids
            self._log.warning("commit_failed", error=str(error))
            return
        LAST_COMMIT_SECONDS.labels(self._subscription.group).set(time.time())
        for partition, what in due.items():
            if partition in self._trackers:
                self._trackers[partition].committed = what

    def _measure_lag(self) -> None:
        lag: dict[str, int] = {}
        for partition, tracker in self._trackers.items():
            end = self._consumer.highwater(partition)
            if end is not None and tracker.finished_to is not None:
                lag[partition.topic] = lag.get(partition.topic, 0) + max(0, end - tracker.finished_to)
        for topic, records in lag.items():
            SINK_LAG_RECORDS.labels(self._subscription.group, topic).set(records)

    async def _release(self, partitions: list[TopicPartition], seconds: float) -> None:
        """Gives back what waits, lets running attempts end, commits, and forgets these partitions."""
        trackers = {partition: self._trackers[partition] for partition in partitions if partition in self._trackers}
        tasks = {task for tracker in trackers.values() for _, task in tracker.unfinished if task is not None}
        await self._settle(tasks, seconds)
        for tracker in trackers.values():
            with suppress(DeskstreamError, KafkaError):
                tracker.advance()
        await self._commit()
        for partition in trackers:
            self._trackers.pop(partition, None)
            self._new.discard(partition)

    async def _settle(self, tasks: set[asyncio.Task[None]], seconds: float) -> None:
        """Cancels tasks, those in an attempt only after it was recorded; all that are left after `seconds`."""
        until = time.monotonic() + seconds
        while pending := {task for task in tasks if not task.done()}:
            late = time.monotonic() >= until
            for task in pending:
                if late or not self._receiver.is_attempting(task):
                    task.cancel()
            await asyncio.wait(pending, timeout=0.02)
            if late:
                await asyncio.wait(pending, timeout=1.0)
                return

    async def revoked(self, partitions: set[TopicPartition]) -> None:
        """Releases partitions before they may go to another consumer."""
        await self._release(list(partitions), REVOKE_SECONDS)

    def assigned(self, partitions: set[TopicPartition]) -> None:
        """Begins to track new partitions."""
        for partition in partitions:
            if partition not in self._trackers:
                self._trackers[partition] = OffsetTracker()
                self._new.add(partition)


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._dispatch.revoked(set(revoked))

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._dispatch.assigned(set(assigned))
