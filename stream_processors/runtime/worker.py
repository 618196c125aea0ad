"""The worker loop, once, for every aggregate: decode ▸ fold ▸ outputs durable ▸ states durable ▸ acknowledge.

The unit of work is a partition batch. Whatever infrastructure fails, the batch is abandoned unacknowledged and the
process ends; after the restart the same records are folded again, and states say which already were. That is the
whole recovery logic: there is no other path to get wrong.

Order of durability within a batch: outputs, then the states in the order of the processor's `kinds`, then the
local store, then the acknowledgement. A crash at any point leaves a state that a refold repairs.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import lru_cache
from itertools import takewhile
from typing import Any, NoReturn

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2
from faust.types import TP, AppT, EventT, StreamT, TableT

from schemas import codec, metrics
from schemas.errors import StateFromTheFuture
from schemas.events import Tick
from schemas.identity import event_id
from schemas.kafka_security import security
from schemas.process import EXIT_PROTECTED, EXIT_UNAVAILABLE, Health
from schemas.settings import WorkerSettings
from schemas.topics import TOPIC_OF
from stream_processors.runtime.batch import BatchFolder, Folded, Overlay
from stream_processors.runtime.batch_producer import BatchProducer
from stream_processors.runtime.gauges import StateGauges
from stream_processors.runtime.metrics import GaugeCollector, record_counts
from stream_processors.runtime.processor import Output, Processor
from stream_processors.runtime.store import Store
from stream_processors.runtime.timers import Timers

log = structlog.get_logger()
RATIO_MINIMUM_RECORDS = 20
TICK_POLL_SECONDS = 0.1
TICKS_AT_ONCE = 1000
BATCHES_WAITING = 8
#: A flush takes some six turns of the event loop, so the turns of a fold are short: of batches that somebody waits for.
#: A batch this large is work that has piled up; turns four times as long fold it sooner.
FOLD_STRETCH_SECONDS, LONG_STRETCH_SECONDS, LARGE_BATCH = 0.001, 0.004, 500


def end_process(code: int, why: str) -> NoReturn:
    """End now, without draining: nothing that is not durable counts, and the supervisor starts us again."""
    log.error("worker ends itself", why=why, exit_code=code)
    os._exit(code)


class Worker:
    """Runs one processor in a Faust agent. `agent` is the agent's function, `start` its start-up."""

    def __init__(
        self,
        app: AppT,
        table: TableT[bytes, bytes],
        processor: Processor,
        settings: WorkerSettings,
        health: Health,
        before_fold: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._before_fold = before_fold
        self.app, self.table, self.processor, self.settings, self.health = app, table, processor, settings, health
        self.clock = settings.pipeline_clock
        self.name, self.source = processor.name, settings.topic(processor.topic)
        self.changelog: str = table.changelog_topic_name
        self.folder = BatchFolder(processor, self.source, self.clock.now)
        self.store: Store = table.data
        self.store.on_recovered = self._rebuild_timers
        self.store.on_progress = self._recovering
        self.timers: dict[int, Timers] = {}
        self.end: dict[int, int] = {}
        self.gauges = None if processor.gauges is None else self._gauge_collector(processor.gauges)
        self.recovered_at = time.monotonic()
        self.idle = asyncio.Event()
        self.idle.set()
        self.draining = False
        self._in_flight = 0
        self._folding = asyncio.Lock()
        self._lanes: dict[int, asyncio.Queue[EventT]] = {}
        self._lane_tasks: list[asyncio.Task[None]] = []
        self._topics = {kind: settings.topic(topic) for kind, topic in TOPIC_OF.items()}
        self._producer: AIOKafkaProducer | None = None
        self._failure_run = 0
        self.ready = False
        self._started = asyncio.Event()
        label = processor.name
        self._phases = {
            phase: metrics.BATCH_SECONDS.labels(label, phase) for phase in ("fold", "outputs", "states", "whole")
        }

    # -- life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect the producer. Called once, before the first batch."""
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self.settings.kafka_bootstrap_servers,
            acks="all",
            enable_idempotence=True,
            max_batch_size=1_000_000,
            max_request_size=8_000_000,
            linger_ms=0,
            request_timeout_ms=60_000,
            **security(self.settings),
        )
        await self._producer.start()
        if self.gauges is not None:
            self.gauges.register()
        self._started.set()

    async def stop(self) -> None:
        if self._producer is not None:
            await self._producer.stop()

    async def drain(self) -> None:
        """Begin no batch any more, and let those that were begun become durable."""
        self.draining = True
        await self.idle.wait()

    @property
    def producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise RuntimeError("the worker was not started")
        return self._producer

    def _recovering(self) -> None:
        self.recovered_at = time.monotonic()
        self.health.beat()

    # -- batches ------------------------------------------------------------------------------------------------

    async def agent(self, stream: StreamT[Any]) -> None:
        """The Faust agent: one event is one partition batch. Never acknowledges what is not durable.

        Each partition has a lane of its own: its batches one after another, while those of the others wait for Kafka.
        """
        await self._started.wait()
        async for event in stream.noack().events():
            partition = event.message.partition
            if partition not in self._lanes:
                lane: asyncio.Queue[EventT] = asyncio.Queue(maxsize=BATCHES_WAITING)
                self._lanes[partition] = lane
                self._lane_tasks.append(asyncio.create_task(self._run_lane(lane), name=f"{self.source}/{partition}"))
            await self._lanes[partition].put(event)

    async def _run_lane(self, lane: asyncio.Queue[EventT]) -> None:
        """Fold what came for one partition; what came while a batch waited for Kafka is folded as one batch."""
        first: EventT | None = None
        while True:
            events = [first or await lane.get()]
            if self.draining:
                return  # what was not begun is read again after the restart
            self._in_flight += 1
            self.idle.clear()
            first = self._gather(events, lane)
            try:
                await self._batch(events)
            except Exception as error:
                if future := _future(error):
                    end_process(EXIT_PROTECTED, str(future))
                log.exception("batch failed", agent=self.processor.name)
                end_process(EXIT_UNAVAILABLE, f"{type(error).__name__}: {error}")
            finally:
                self._in_flight -= 1
                if not self._in_flight:
                    self.idle.set()

    def _gather(self, events: list[EventT], lane: asyncio.Queue[EventT]) -> EventT | None:
        """Append what waits in the lane while it fits into one batch; returns the one that does not, if any."""
        room = self.settings.max_batch_records - len(events[0].message.value)
        while not lane.empty():
            event = lane.get_nowait()
            room -= len(event.message.value)
            if room < 0 or event.message.generation_id != events[0].message.generation_id:
                return event
            events.append(event)
        return None

    async def _batch(self, events: list[EventT]) -> None:
        partition, generation = events[0].message.partition, events[0].message.generation_id
        if self._lost(partition, generation):
            return
        records = [record for event in events for record in event.message.value]
        if self._before_fold is not None:
            await self._before_fold()
        began = time.perf_counter()
        outbox = BatchProducer(self.producer, int(time.time() * 1000))
        async with self._folding:
            folded = await self._fold(partition, records, outbox)
        self._protect(len(records), folded)
        after_fold = time.perf_counter()
        await outbox.flush()
        after_outputs = time.perf_counter()
        if self._lost(partition, generation):
            return  # someone else has this partition now, and will fold the batch again
        values = {
            key: None if state is None else self.folder.codec.dump(key, state) for key, state in folded.states.items()
        }
        offset = await self._write_changelog(outbox, partition, values)
        if self._lost(partition, generation):
            return
        if values:
            self.store.write(partition, values, offset)
        if self.gauges is not None:
            self.gauges.changed(partition, folded.before, folded.states)
        record_counts(folded.counts)
        for event in events:
            event.ack()
        self._after(partition, records, folded, values, outbox.records)
        ended = time.perf_counter()
        self._phases["fold"].observe(after_fold - began)
        self._phases["outputs"].observe(after_outputs - after_fold)
        self._phases["states"].observe(ended - after_outputs)
        self._phases["whole"].observe(ended - began)

    async def _fold(self, partition: int, records: list[Any], outbox: BatchProducer) -> Folded:
        """Fold the records and queue what they came to, letting the event loop have its turn in between."""
        overlay = Overlay(
            self.folder.codec,
            lambda key: self.store.get_bytes(partition, key),
            lambda prefix: self.store.scan_bytes(partition, prefix),
        )
        steps = self.folder.folding(partition, records, overlay)
        stretch = LONG_STRETCH_SECONDS if len(records) >= LARGE_BATCH else FOLD_STRETCH_SECONDS
        queued, turn_ends = 0, time.perf_counter() + stretch
        while True:
            try:
                outputs = next(steps)
            except StopIteration as end:
                folded: Folded = end.value
                break
            if time.perf_counter() < turn_ends:
                continue
            self._queue_outputs(outbox, partition, outputs[queued:])
            queued = len(outputs)
            await asyncio.sleep(0)
            turn_ends = time.perf_counter() + stretch
        self._queue_outputs(outbox, partition, folded.outputs[queued:])
        letters = self.settings.namespace + self.processor.topic.dlq
        for failure in folded.failures:
            outbox.add(letters, partition, failure.key, failure.value, failure.headers)
        return folded

    def _queue_outputs(self, outbox: BatchProducer, partition: int, outputs: list[tuple[bytes | None, Output]]) -> None:
        encode, topics, add, partitions = codec.encode, self._topics, outbox.add, self.settings.partitions
        for source_key, output in outputs:
            record, key = output.record, output.key
            if key is None:
                add(topics[type(record)], partition, source_key, encode(record))
            else:
                name = key.encode()
                add(topics[type(record)], _hashed(name) % partitions, name, encode(record))

    async def _write_changelog(self, outbox: BatchProducer, partition: int, values: dict[bytes, bytes | None]) -> int:
        """Make the states durable, in the processor's order of kinds; returns the last changelog offset.

        They all go to one partition, whose log an idempotent producer never reorders: whatever a crash cuts off, what
        stands there is a beginning of this sequence.
        """
        for prefix in self.processor.kinds:
            for key, value in values.items():
                if key[:1] == prefix:
                    outbox.add(self.changelog, partition, key, value)
        return (await outbox.flush()).get((self.changelog, partition), -1)

    def _lost(self, partition: int, generation: int) -> bool:
        """Whether a rebalance took the partition away since this batch was delivered."""
        return (
            self.app.consumer_generation_id != generation
            or TP(self.source, partition) not in self.app.consumer.assignment()
        )

    def _protect(self, records: int, folded: Folded) -> None:
        """Stop before the commit rather than drain the log into the dead-letter topic."""
        failed = len(folded.failures)
        self._failure_run = self._failure_run + failed if failed == records else folded.longest_failure_run
        for failure in folded.failures:
            metrics.RECORDS_DEAD_LETTERED.labels(self.processor.name, failure.stage, failure.reason).inc()
        if self._failure_run >= self.settings.dlq_max_run:
            end_process(EXIT_PROTECTED, f"{self._failure_run} records in a row failed: {_story(folded)}")
        if records >= RATIO_MINIMUM_RECORDS and failed / records > self.settings.dlq_max_ratio:
            end_process(EXIT_PROTECTED, f"{failed} of {records} records of one batch failed: {_story(folded)}")

    def _after(
        self, partition: int, records: list[Any], folded: Folded, values: dict[bytes, bytes | None], written: int
    ) -> None:
        name = self.processor.name
        deadlines = self.timers.setdefault(partition, Timers())
        for key, value in values.items():
            deadlines.set(key, None if value is None else self.folder.codec.deadline(key, value))
        metrics.RECORDS_PROCESSED.labels(name).inc(folded.folded)
        metrics.RECORDS_SKIPPED.labels(name).inc(folded.skipped)
        metrics.OUTPUTS_WRITTEN.labels(name).inc(written)
        metrics.BATCH_RECORDS.labels(name).observe(len(records))
        metrics.LAST_COMMIT_SECONDS.labels(name).set_to_current_time()
        self.end[partition] = records[-1].offset + 1
        metrics.LAG_RECORDS.labels(name, str(partition)).set(self.lag(partition))
        self.health.beat()

    def assigned(self) -> list[int]:
        """The partitions of the source topic that this process holds."""
        return sorted(tp.partition for tp in self.app.consumer.assignment() if tp.topic == self.source)

    def lag(self, partition: int) -> int:
        """Records between the last durable batch and the end of the log as the consumer knows it.

        What it knows stands still while it fetches nothing: the watchdog asks the brokers.
        """
        if partition not in self.end:
            return 0
        try:
            highwater = self.app.consumer.highwater(TP(self.source, partition))
        except AssertionError:  # taken away on the consumer's thread, and not yet on ours
            return 0
        return max(0, (highwater or 0) - self.end[partition])

    # -- deadlines ----------------------------------------------------------------------------------------------

    async def _rebuild_timers(self, partitions: set[int]) -> None:
        """After an assignment: read the head of every state of the partitions and remember when each is next due."""
        try:
            await self._read_timers(partitions)
        except StateFromTheFuture as error:
            end_process(EXIT_PROTECTED, str(error))
        self.end = {partition: end for partition, end in self.end.items() if partition in partitions}
        if self.gauges is not None:
            self.gauges.begin(sorted(partitions))
        self.ready = True
        self.health.ready = all(worker.ready for worker in self.app.deskstream_workers)
        log.info("partitions ready", agent=self.processor.name, partitions=sorted(partitions))

    async def _read_timers(self, partitions: set[int]) -> None:
        self.timers = {partition: Timers() for partition in partitions}
        for partition in partitions:
            for count, (key, value) in enumerate(self._states(partition)):
                if (due := self.folder.codec.deadline(key, value)) is not None:
                    self.timers[partition].set(key, due)
                if count % 1000 == 999:
                    self._recovering()
                    await asyncio.sleep(0)

    def _gauge_collector(self, kind: type[StateGauges]) -> GaugeCollector:
        first, last = kind.prefixes[:1], kind.prefixes[-1:]

        def scan(partition: int, key: bytes) -> Iterator[tuple[bytes, bytes]]:
            return takewhile(lambda pair: pair[0][:1] <= last, self.store.scan_from(partition, max(key, first)))

        return GaugeCollector(
            kind,
            scan=scan,
            load=self.folder.codec.load,
            held=lambda: (self.app.consumer_generation_id, self.assigned()),
            now=self.clock.now,
            busy=lambda: not self.idle.is_set(),
        )

    def _states(self, partition: int) -> Iterable[tuple[bytes, bytes]]:
        for prefix in self.processor.kinds:
            yield from self.store.scan_bytes(partition, prefix)

    async def tick(self) -> None:
        """Append a `Tick` for every deadline that is due, to the partition it belongs to; runs until it drains."""
        while not self.draining:
            await asyncio.sleep(TICK_POLL_SECONDS)
            try:
                await self._append_ticks(self.clock.now())
                if self.idle.is_set():
                    self.health.beat()
            except Exception as error:
                if self.draining:
                    return  # the producer was closed: whoever holds the partition next appends them
                log.exception("ticks failed", agent=self.processor.name)
                end_process(EXIT_UNAVAILABLE, f"ticks: {type(error).__name__}: {error}")

    async def _append_ticks(self, now: int) -> None:
        assigned = self.assigned()
        outbox = BatchProducer(self.producer, int(time.time() * 1000))
        for partition, deadlines in self.timers.items():
            if partition not in assigned:
                continue
            for deadline, key in deadlines.due(now, TICKS_AT_ONCE):
                tick = tick_for(key, deadline, now)
                outbox.add(self.source, partition, tick.customer_tag.encode() or key, codec.encode(tick))
        if outbox.records:
            count = outbox.records
            await outbox.flush()
            metrics.TICKS_APPENDED.labels(self.processor.name).inc(count)
        metrics.DEADLINES_PENDING.labels(self.processor.name).set(sum(map(len, self.timers.values())))


@lru_cache(maxsize=4096)
def _hashed(key: bytes) -> int:
    """What every Kafka client takes modulo the partitions. Mostly of teams, which are few; murmur2 in Python takes 5 µs."""
    return int(murmur2(key) & 0x7FFFFFFF)


def tick_for(state_key: bytes, deadline: int, now: int) -> Tick:
    """The event that makes a deadline true: it happened at the deadline and was noticed now."""
    is_customer = state_key[:1] == b"c"
    return Tick(
        event_id=event_id("tick", state_key, str(deadline)),
        occurred_at=deadline,
        received_at=now,
        customer_tag=state_key[1:].decode() if is_customer else "",
        source="worker",
        state_key=state_key,
    )


def _future(error: BaseException) -> StateFromTheFuture | None:
    """The refusal of a state that a newer build wrote, if that is what a batch failed for."""
    return next((each for each in (error, error.__cause__) if isinstance(each, StateFromTheFuture)), None)


def _story(folded: Folded) -> str:
    reasons = sorted({f"{failure.stage}/{failure.reason}" for failure in folded.failures})
    return ", ".join(reasons[:5])
