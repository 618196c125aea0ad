"""Writes facts from Kafka to ClickHouse, without loss and, after FINAL, without duplicates: `python -m sinks clickhouse`.

Fetching fills one batch while the batch before it is being inserted. Offsets are committed after every insert of a batch
was answered. A sink that is killed before that inserts the same facts again; of a key the highest version counts, once.
While ClickHouse does not answer, the partitions are paused and the batch is retried.

| state     | records come in     | a batch is inserted | ends when                              |
|-----------|---------------------|---------------------|----------------------------------------|
| running   | yes                 | yes, one at a time  | an insert fails with a code in RETRY   |
| paused    | no, still a member  | retried             | the insert succeeds                    |
| revoked   | the batch is dropped, the insert under way may finish and commit for 5 s | the next assignment |
| draining  | no                  | the last one        | it is committed, or the drain time is over |
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener
from aiokafka.errors import KafkaError
from clickhouse_connect.driver.client import Client

from schemas.clock import MICROS
from schemas.codec import decode, header
from schemas.errors import CodecError, DeskstreamError
from schemas.facts import ContactFact
from schemas.kafka_watch import KafkaWatch
from schemas.metrics import LAST_COMMIT_SECONDS, SINK_LAG_RECORDS, SINK_PAUSED, VISIBLE_SECONDS
from schemas.process import Health
from schemas.settings import SinkSettings
from schemas.topics import DEAD_LETTERS, FACT_TOPICS
from sinks import kafka
from sinks.clickhouse.avro_file import shapes
from sinks.clickhouse.batch import Batch
from sinks.clickhouse.inserter import Inserter, Rejected
from sinks.signals import stop_on_signals

SINK = "clickhouse"
DLQ = next(topic for topic in DEAD_LETTERS if topic.name == FACT_TOPICS[0].dlq)
REVOKE_SECONDS = 5.0
#: Rows are gathered for half a second anyway; one fetch for each row would cost the broker more than its writing.
FETCH_MIN_BYTES = 256 * 1024
#: An insert costs ClickHouse the same for ten rows as for a thousand. A batch is gathered for this many times as long as
#: the last insert took: at most a fifth of the time goes into inserts, however slow the machine is.
GATHER_PER_INSERT = 4.0
#: Rows wait no longer than this because of GATHER_PER_INSERT.
LONGEST_GATHER_SECONDS = 1.0
SAMPLED = 20
log = structlog.get_logger()


class NoTable(DeskstreamError):
    """No table takes this kind of record."""


class ClickHouseSink:
    """Runs the loop. `run` returns after `stop()`: when every fetched row is committed, or the drain time is over."""

    def __init__(self, settings: SinkSettings, client: Client, health: Health) -> None:
        self._settings, self._health = settings, health
        self._consumer: AIOKafkaConsumer = kafka.consumer(settings, SINK, fetch_min_bytes=FETCH_MIN_BYTES)
        self._producer: AIOKafkaProducer = kafka.producer(settings)
        self._dead_letters = kafka.DeadLetters(settings, self._producer, SINK, DLQ)
        self._fetches = kafka.Fetches(self._consumer)
        self._watch = KafkaWatch(self._consumer.topics, health)
        self._inserter = Inserter(client, self._pause)
        self._stopping = asyncio.Event()
        self._batch = Batch()
        self._batch_since = 0.0
        self._busy_gather_seconds = 0.0
        self._insert: asyncio.Task[None] | None = None
        self._generation = 0
        self._committed: dict[Any, int] = {}
        self.paused = False

    def stop(self) -> None:
        """Fetches nothing more; inserts what was fetched."""
        self._stopping.set()

    async def run(self) -> None:
        """Consumes until `stop()`.

        Raises:
            Unavailable: Kafka does not answer at the start, or a topic is missing.
            ConfigurationError, TooManyRefused: see `Inserter.insert`; nothing of that batch is committed.
        """
        await kafka.start(self._settings, self._consumer, self._producer)
        try:
            await kafka.require(self._settings, self._consumer, (*FACT_TOPICS, DLQ))
            self._consumer.subscribe([self._settings.topic(topic) for topic in FACT_TOPICS], listener=_Rebalance(self))
            self._health.ready = True
            self._watch.start()
            while not self._stopping.is_set():
                await self._poll()
            await self._drain()
        finally:
            self._watch.stop()
            self._fetches.stop()
            if self._insert:
                self._insert.cancel()
            await kafka.stop(self._consumer, self._producer)

    async def _poll(self) -> None:
        """Fetches once; starts an insert when one is due and none is running."""
        room = self._settings.sink_batch_rows - self._batch.rows
        if room <= 0 and self._insert:
            await asyncio.wait({self._insert}, timeout=0.2)
        if room > 0 or self.paused:  # a paused consumer polls as well, or it would lose its membership
            fetched = await self._fetches.many(timeout_ms=self._fetch_timeout_ms(), max_records=max(room, 1))
            for partition, records in fetched.items():
                if not self._batch.rows:
                    self._batch_since = time.monotonic()
                self._batch.add(partition, records)
        if self._insert and self._insert.done():
            running, self._insert = self._insert, None
            running.result()
        if self._insert is None and self._due():
            self._start_insert()
        self._health.beat()

    def _fetch_timeout_ms(self) -> int:
        """Returns how long a fetch may wait: until the batch is due, at most 100 ms."""
        left = 0.1 if not self._batch.rows else self._batch_since + self._gather_seconds() - time.monotonic()
        return max(1, int(1000 * min(0.1, left)))

    def _due(self) -> bool:
        if not self._batch.rows:
            return False
        age = time.monotonic() - self._batch_since
        return self._batch.rows >= self._settings.sink_batch_rows or age >= self._gather_seconds()

    def _gather_seconds(self) -> float:
        """Returns how long rows wait for more rows."""
        return max(self._settings.sink_batch_seconds, min(self._busy_gather_seconds, LONGEST_GATHER_SECONDS))

    def _start_insert(self) -> None:
        self._insert = asyncio.create_task(self._flush(self._batch, self._generation))
        self._batch = Batch()

    async def _flush(self, batch: Batch, generation: int) -> None:
        """Inserts a batch, writes its dead letters, then commits it."""
        began = time.monotonic()
        known = shapes()
        rejected: list[Rejected] = []
        for head, records in batch.groups.items():
            shape = known.get(head)
            rejected += await self._inserter.insert(shape, records) if shape else [_rejected(r) for r in records]
        if rejected:
            with self._watch.waiting():
                await self._dead_letters.write(rejected)
            log.warning("facts_dead_lettered", count=len(rejected), first=str(rejected[0][2]))
        self._busy_gather_seconds = GATHER_PER_INSERT * (time.monotonic() - began)
        self._measure_delay(batch)
        if generation == self._generation:
            await self._commit(batch.commits())

    def _measure_delay(self, batch: Batch) -> None:
        """Observes how long the first contacts of a batch, which waited longest, took from their producer to here."""
        clock = self._settings.pipeline_clock
        now = clock.now()
        for record in batch.groups.get(header(ContactFact), ())[:SAMPLED]:
            try:
                fact = decode(record.value)
            except CodecError:
                continue
            if fact.direction == "in" and not fact.imported:
                VISIBLE_SECONDS.observe(max(0.0, (now - fact.received_at) / MICROS / clock.speed))

    async def _commit(self, offsets: dict[Any, int]) -> None:
        owned = self._consumer.assignment()
        mine = {partition: offset for partition, offset in offsets.items() if partition in owned}
        if not mine:
            return
        try:
            with self._watch.waiting():
                await self._consumer.commit(mine)
        except KafkaError as error:  # a rebalance came first: the facts are read again, and count once
            log.warning("commit_failed", error=str(error))
            return
        self._committed |= mine
        LAST_COMMIT_SECONDS.labels(SINK).set(time.time())
        self._measure_lag()

    def _measure_lag(self) -> None:
        lag = dict.fromkeys((self._settings.topic(topic) for topic in FACT_TOPICS), 0)
        for partition in self._consumer.assignment():
            end = self._consumer.highwater(partition)
            if end is not None and partition in self._committed:
                lag[partition.topic] += max(0, end - self._committed[partition])
        for topic, records in lag.items():
            SINK_LAG_RECORDS.labels(SINK, topic).set(records)

    def _pause(self, unavailable: bool, why: str) -> None:
        """Pauses the partitions while ClickHouse is unavailable, and resumes them afterwards."""
        self._health.problem = why
        self._health.beat()  # the loop is not stuck: a restart would not help
        if unavailable == self.paused:
            return
        self.paused = unavailable
        SINK_PAUSED.labels(SINK).set(int(unavailable))
        assigned = self._consumer.assignment()
        if unavailable:
            self._consumer.pause(*assigned)
        else:
            self._consumer.resume(*assigned)
            log.info("resumed")

    async def revoked(self) -> None:
        """Lets the running insert commit and drops fetched rows, before partitions may go to another consumer."""
        if self._insert:
            await asyncio.wait({self._insert}, timeout=REVOKE_SECONDS)
        self._generation += 1
        self._batch = Batch()
        self._committed.clear()

    def assigned(self) -> None:
        """Pauses new partitions as well while ClickHouse is unavailable."""
        if self.paused:
            self._consumer.pause(*self._consumer.assignment())

    async def _drain(self) -> None:
        """Inserts and commits fetched rows within the drain time; the next owner reads again what is not committed."""
        self._health.ready = False

        async def insert_all() -> None:
            if self._insert:
                await self._insert
            if self._batch.rows:
                self._start_insert()
                if self._insert:
                    await self._insert

        try:
            await asyncio.wait_for(insert_all(), self._settings.sink_drain_seconds)
        except TimeoutError:
            log.warning("not_drained", rows=self._batch.rows, problem=self._health.problem)


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, sink: ClickHouseSink) -> None:
        self._sink = sink

    async def on_partitions_revoked(self, revoked: Any) -> None:
        await self._sink.revoked()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        self._sink.assigned()


def _rejected(record: Any) -> Rejected:
    """Returns why no table takes a record: not ours, unknown, broken, or of a kind without a table."""
    value = record.value or b""
    try:
        kind = type(decode(value)).__name__
    except CodecError as error:
        return (record, error.reason, error)
    return (record, "no_table", NoTable(f"no table takes a {kind}"))


async def consume(settings: SinkSettings, client: Client, health: Health) -> None:
    """Runs the sink until SIGTERM or SIGINT, then drains it."""
    sink = ClickHouseSink(settings, client, health)
    stop_on_signals(sink.stop)
    await sink.run()
