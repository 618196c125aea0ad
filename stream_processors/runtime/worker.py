"""The worker loop, once, for every aggregate: decode ▸ fold ▸ outputs durable ▸ states durable ▸ acknowledge.

The unit of work is a partition batch. When infrastructure fails, the batch is abandoned unacknowledged and the process
ends. After the restart the same records are folded again, and states say which already were. That is the whole
recovery: there is no other path.

Order of durability within a batch: outputs, then the states in the order of the processor's `kinds`, then the local
store, then the acknowledgement. A crash at any point leaves a state that a refold repairs.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import takewhile
from typing import Any, NoReturn

import structlog
from aiokafka import AIOKafkaProducer
from faust.types import TP, AppT, EventT, StreamT, TableT

from schemas.errors import StateFromTheFuture
from schemas.kafka_security import security
from schemas.process import EXIT_PROTECTED, EXIT_UNAVAILABLE, Health
from schemas.settings import WorkerSettings
from stream_processors.runtime.batch import BatchFolder, Folded, Overlay
from stream_processors.runtime.batch_producer import BatchProducer
from stream_processors.runtime.batch_writer import BatchWriter
from stream_processors.runtime.failure_limit import FailureLimit
from stream_processors.runtime.gauges import StateGauges
from stream_processors.runtime.metrics import GaugeCollector, record_counts
from stream_processors.runtime.partition_queue import PartitionQueue
from stream_processors.runtime.processor import Processor
from stream_processors.runtime.store import Store
from stream_processors.runtime.ticker import Ticker
from stream_processors.runtime.worker_metrics import WorkerMetrics

log = structlog.get_logger()
TICK_POLL_SECONDS = 0.1
#: A flush takes some six rounds of the event loop, so a fold yields often while somebody waits for its batch. A batch
#: of `LARGE_BATCH` records is work that has piled up: yielding a quarter as often folds it sooner.
FOLD_STRETCH_SECONDS, LONG_STRETCH_SECONDS, LARGE_BATCH = 0.001, 0.004, 500


def end_process(code: int, why: str) -> NoReturn:
    """Ends the process now, without draining: what is not durable does not count, and the supervisor starts it again."""
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
        self.writer = BatchWriter(processor, settings, table.changelog_topic_name)
        self.folder = BatchFolder(processor, self.source, self.clock.now)
        self.store: Store = table.data
        self.store.on_recovered = self._begin
        self.store.on_progress = self._recovering
        self.ticker = Ticker(processor.name, self.source, self.folder.codec)
        self.end: dict[int, int] = {}
        self.gauges = None if processor.gauges is None else self._gauge_collector(processor.gauges)
        self.recovered_at = time.monotonic()
        self.idle = asyncio.Event()
        self.idle.set()
        self.draining = False
        self._in_flight = 0
        self._folding = asyncio.Lock()
        self._queues: dict[int, PartitionQueue] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._producer: AIOKafkaProducer | None = None
        self._failures = FailureLimit(settings.dlq_max_run, settings.dlq_max_ratio)
        self.ready = False
        self._started = asyncio.Event()
        self._metrics = WorkerMetrics(processor.name)

    # -- life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connects the producer. Called once, before the first batch."""
        self._producer = _new_producer(self.settings)
        await self._producer.start()
        if self.gauges is not None:
            self.gauges.register()
        self._started.set()

    async def stop(self) -> None:
        """Disconnects the producer. Called last."""
        if self._producer is not None:
            await self._producer.stop()

    async def drain(self) -> None:
        """Begins no batch any more, and waits until those that were begun are durable."""
        self.draining = True
        await self.idle.wait()

    @property
    def producer(self) -> AIOKafkaProducer:
        """The connected producer. Raises RuntimeError before `start`."""
        if self._producer is None:
            raise RuntimeError("the worker was not started")
        return self._producer

    def _recovering(self) -> None:
        self.recovered_at = time.monotonic()
        self.health.beat()

    # -- batches ------------------------------------------------------------------------------------------------

    async def agent(self, stream: StreamT[Any]) -> None:
        """Takes partition batches, one event each, from Faust. Never acknowledges what is not durable.

        Each partition has a queue and a task: its batches are folded one after another, while others wait for Kafka.
        """
        await self._started.wait()
        async for event in stream.noack().events():
            partition = event.message.partition
            if partition not in self._queues:
                queue = self._queues[partition] = PartitionQueue()
                self._tasks.append(asyncio.create_task(self._run(queue), name=f"{self.source}/{partition}"))
            await self._queues[partition].put(event)

    async def _run(self, queue: PartitionQueue) -> None:
        """Folds the batches of one partition; those that waited for the last one are folded as one batch."""
        while True:
            events = await queue.take(self.settings.max_batch_records)
            if self.draining:
                return  # what was not begun is read again after the restart
            self._in_flight += 1
            self.idle.clear()
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

    async def _batch(self, events: list[EventT]) -> None:
        partition, generation = events[0].message.partition, events[0].message.generation_id
        if self._lost(partition, generation):
            return
        records = [record for event in events for record in event.message.value]
        if self._before_fold is not None:
            await self._before_fold()
        began = time.perf_counter()
        writes = BatchProducer(self.producer, int(time.time() * 1000))
        async with self._folding:
            folded = await self._fold(partition, records, writes)
        self._metrics.dead_letters(folded.failures)
        if why := self._failures.exceeded(len(records), folded):
            end_process(EXIT_PROTECTED, why)
        after_fold = time.perf_counter()
        await writes.flush()
        after_outputs = time.perf_counter()
        if self._lost(partition, generation):
            return  # someone else has this partition now, and will fold the batch again
        values = {
            key: None if state is None else self.folder.codec.dump(key, state) for key, state in folded.states.items()
        }
        offset = await self.writer.write_changelog(writes, partition, values)
        if self._lost(partition, generation):
            return
        if values:
            self.store.write(partition, values, offset)
        if self.gauges is not None:
            self.gauges.changed(partition, folded.before, folded.states)
        record_counts(folded.counts)
        for event in events:
            event.ack()
        self.ticker.update(partition, values)
        self.end[partition] = records[-1].offset + 1
        self._metrics.committed(len(records), folded, writes.records)
        self._metrics.lag(partition, self.lag(partition))
        self._metrics.phases(began, after_fold, after_outputs, time.perf_counter())
        self.health.beat()

    async def _fold(self, partition: int, records: list[Any], writes: BatchProducer) -> Folded:
        """Folds the records and queues their outputs; yields to the event loop after each stretch."""
        overlay = Overlay(
            self.folder.codec,
            lambda key: self.store.get_bytes(partition, key),
            lambda prefix: self.store.scan_bytes(partition, prefix),
        )
        steps = self.folder.folding(partition, records, overlay)
        stretch = LONG_STRETCH_SECONDS if len(records) >= LARGE_BATCH else FOLD_STRETCH_SECONDS
        queued, yields_at = 0, time.perf_counter() + stretch
        while True:
            try:
                outputs = next(steps)
            except StopIteration as end:
                folded: Folded = end.value
                break
            if time.perf_counter() < yields_at:
                continue
            self.writer.add_outputs(writes, partition, outputs[queued:])
            queued = len(outputs)
            await asyncio.sleep(0)
            yields_at = time.perf_counter() + stretch
        self.writer.add_outputs(writes, partition, folded.outputs[queued:])
        self.writer.add_dead_letters(writes, partition, folded.failures)
        return folded

    def _lost(self, partition: int, generation: int) -> bool:
        """Returns true when a rebalance took the partition away since this batch was delivered."""
        return (
            self.app.consumer_generation_id != generation
            or TP(self.source, partition) not in self.app.consumer.assignment()
        )

    def assigned(self) -> list[int]:
        """Returns the partitions of the source topic that this process holds."""
        return sorted(tp.partition for tp in self.app.consumer.assignment() if tp.topic == self.source)

    def lag(self, partition: int) -> int:
        """Returns the records between the last durable batch and the end of the log as the consumer knows it.

        The end that it knows stands still while it fetches nothing: the watchdog asks the brokers.
        """
        if partition not in self.end:
            return 0
        try:
            highwater = self.app.consumer.highwater(TP(self.source, partition))
        except AssertionError:  # taken away on the consumer's thread, and not yet on ours
            return 0
        return max(0, (highwater or 0) - self.end[partition])

    # -- assignments and ticks ----------------------------------------------------------------------------------

    async def _begin(self, partitions: set[int]) -> None:
        """Prepares newly assigned partitions whose states are restored: timers, then gauges."""
        try:
            await self.ticker.rebuild(partitions, self._states, self._recovering)
        except StateFromTheFuture as error:
            end_process(EXIT_PROTECTED, str(error))
        self.end = {partition: end for partition, end in self.end.items() if partition in partitions}
        if self.gauges is not None:
            self.gauges.begin(sorted(partitions))
        self.ready = True
        self.health.ready = all(worker.ready for worker in self.app.deskstream_workers)
        log.info("partitions ready", agent=self.processor.name, partitions=sorted(partitions))

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
        """Appends the ticks that are due, every `TICK_POLL_SECONDS`, until the worker drains."""
        while not self.draining:
            await asyncio.sleep(TICK_POLL_SECONDS)
            try:
                await self.ticker.append_due(self.producer, self.assigned(), self.clock.now())
                if self.idle.is_set():
                    self.health.beat()
            except Exception as error:
                if self.draining:
                    return  # the producer was closed: whoever holds the partition next appends them
                log.exception("ticks failed", agent=self.processor.name)
                end_process(EXIT_UNAVAILABLE, f"ticks: {type(error).__name__}: {error}")


def _new_producer(settings: WorkerSettings) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        max_batch_size=1_000_000,
        max_request_size=8_000_000,
        linger_ms=0,
        request_timeout_ms=60_000,
        **security(settings),
    )


def _future(error: BaseException) -> StateFromTheFuture | None:
    """Returns the refusal of a state that a newer build wrote, if the batch failed for that."""
    return next((each for each in (error, error.__cause__) if isinstance(each, StateFromTheFuture)), None)
