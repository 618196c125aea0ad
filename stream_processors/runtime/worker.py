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
from schemas.process import EXIT_PROTECTED, EXIT_UNAVAILABLE, Health
from schemas.settings import WorkerSettings
from stream_processors.runtime.batch import BatchFolder
from stream_processors.runtime.batch_producer import BatchProducer, Fenced
from stream_processors.runtime.batch_writer import BatchWriter
from stream_processors.runtime.failure_limit import FailureLimit
from stream_processors.runtime.fenced_producers import FencedProducers
from stream_processors.runtime.fold_in_stretches import fold_in_stretches
from stream_processors.runtime.gauges import StateGauges
from stream_processors.runtime.metrics import GaugeCollector, record_counts
from stream_processors.runtime.partition_queue import PartitionQueue
from stream_processors.runtime.processor import Processor
from stream_processors.runtime.store import Store
from stream_processors.runtime.ticker import Ticker
from stream_processors.runtime.worker_metrics import WorkerMetrics

log = structlog.get_logger()
TICK_POLL_SECONDS = 0.1


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
        self.producers = FencedProducers(settings, processor.name, table.changelog_topic_name)
        self._failures = FailureLimit(settings.dlq_max_run, settings.dlq_max_ratio)
        self.ready = False
        self._started = asyncio.Event()
        self._metrics = WorkerMetrics(processor.name)

    # -- life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Lets batches be folded. Called once."""
        if self.gauges is not None:
            self.gauges.register()
        self._started.set()

    async def stop(self) -> None:
        """Disconnects the producers. Called last."""
        await self.producers.stop()

    async def drain(self) -> None:
        """Begins no batch any more, and waits until those that were begun are durable."""
        self.draining = True
        await self.idle.wait()

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
        async with self.producers.busy(partition):
            if self._lost(partition, generation):
                return
            producer = self.producers.of(partition)
            try:
                await self._write_batch(partition, generation, events, producer)
            except Fenced as error:
                await self._end_unless_lost(partition, generation, producer, error)

    async def _write_batch(
        self, partition: int, generation: int, events: list[EventT], producer: AIOKafkaProducer
    ) -> None:
        """Folds a batch with the producer of its generation, which is refused once the partition has another owner."""
        records = [record for event in events for record in event.message.value]
        if self._before_fold is not None:
            await self._before_fold()
        began = time.perf_counter()
        writes = BatchProducer(producer, int(time.time() * 1000))
        async with self._folding:
            folded = await fold_in_stretches(self.folder, self.store, self.writer, partition, records, writes)
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

    def _lost(self, partition: int, generation: int) -> bool:
        """Returns true when a rebalance took the partition away since this batch was delivered."""
        return (
            self.app.consumer_generation_id != generation
            or TP(self.source, partition) not in self.app.consumer.assignment()
        )

    async def _end_unless_lost(self, partition: int, generation: int, producer: AIOKafkaProducer, why: Fenced) -> None:
        """Returns once a rebalance since `generation` is known, or another claim; ends the process if there is none.

        A worker that slept through its session is fenced before its own consumer finds out.
        """
        until = time.monotonic() + self.settings.session_timeout_seconds
        while not self._lost(partition, generation) and self.producers.holds(partition, producer):
            if time.monotonic() > until:
                end_process(EXIT_UNAVAILABLE, f"{self.source}/{partition}: {why}")
            await asyncio.sleep(TICK_POLL_SECONDS)
        log.warning("fenced: the partition has a newer owner", agent=self.processor.name, partition=partition)

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

    async def claim(self, assigned: set[TP]) -> None:
        """Fences off the earlier owners of the assigned partitions of this source, before their states are restored."""
        self._recovering()
        try:
            await self.producers.claim({tp.partition for tp in assigned if tp.topic == self.source})
        except Exception as error:
            end_process(EXIT_UNAVAILABLE, f"{self.source}: not claimed: {type(error).__name__}: {error}")
        self._recovering()

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
        """Appends the ticks that are due, every `TICK_POLL_SECONDS`, until the worker drains; renews old claims."""
        while not self.draining:
            await asyncio.sleep(TICK_POLL_SECONDS)
            try:
                await self._append_due()
                await self.producers.renew()
                if self.idle.is_set():
                    self.health.beat()
            except Exception as error:
                if self.draining:
                    return  # the producers were closed: whoever holds the partitions next appends them
                log.exception("ticks failed", agent=self.processor.name)
                end_process(EXIT_UNAVAILABLE, f"ticks: {type(error).__name__}: {error}")

    async def _append_due(self) -> None:
        held = [partition for partition in self.assigned() if partition in self.producers]
        await asyncio.gather(*(self._append_due_of(partition, self.app.consumer_generation_id) for partition in held))
        self.ticker.report()

    async def _append_due_of(self, partition: int, generation: int) -> None:
        producer = self.producers.of(partition)
        try:
            await self.ticker.append_due(producer, partition, self.clock.now())
        except Fenced as error:
            await self._end_unless_lost(partition, generation, producer, error)


def _future(error: BaseException) -> StateFromTheFuture | None:
    """Returns the refusal of a state that a newer build wrote, if the batch failed for that."""
    return next((each for each in (error, error.__cause__) if isinstance(each, StateFromTheFuture)), None)
