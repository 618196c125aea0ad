"""`python -m sinks delivery`: hands `outbound` to the channels, each message once, each customer's in order.

Every record becomes a task. A task waits for the one before it with the same key, then for a free place in its
partition; so customers do not wait for each other, and one slow or refused recipient holds up nobody else. What
becomes of a message is a DeliveryFact; the offset is committed once that is durable, up to the first unfinished one.

| the channel says        | then                                                                                  |
|-------------------------|---------------------------------------------------------------------------------------|
| taken                   | DeliveryFact `delivered`                                                              |
| Away (no connection)    | every message of that channel waits, tried again without limit; SINK_PAUSED is 1      |
| TryLater (SMTP 4xx)     | this message is tried again for `delivery_retry_seconds`, then as below               |
| Undeliverable (5xx)     | DeliveryFact `bounced` or `refused`, and a dead letter that can be replayed           |
| anything else (a bug)   | the same, `refused` as `defect`: one message must not stop its neighbours             |

Too many unfinished messages pause their partition.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from schemas.backoff import Backoff
from schemas.clock import MICROS
from schemas.codec import decode, encode
from schemas.dead_letter.record import REPLAY_HEADER
from schemas.errors import CodecError, DeskstreamError
from schemas.events import CHANNELS
from schemas.facts import DeliveryFact, Outbound
from schemas.metrics import DELIVERIES as DELIVERED
from schemas.metrics import DELIVERY_SECONDS, LAST_COMMIT_SECONDS, SINK_LAG_RECORDS, SINK_PAUSED
from schemas.process import Health
from schemas.settings import SinkSettings
from schemas.topics import DEAD_LETTERS, DELIVERIES, OUTBOUND
from sinks import kafka
from sinks.delivery.adapter import Adapters, Away, Tried, TryLater, Undeliverable
from sinks.delivery.history import Delivered, remember, their_ids
from sinks.signals import stop_on_signals

SINK = "delivery"
DLQ = next(topic for topic in DEAD_LETTERS if topic.name == OUTBOUND.dlq)
MAX_UNFINISHED, MOST_AT_ONCE = 1000, 500
#: A sink begins with no record farther behind the first that it is not done with, and commits may have failed for a while.
MOST_BEGUN = 5 * (MAX_UNFINISHED + MOST_AT_ONCE)
CLOCKS_DIFFER_SECONDS = 60.0
FIRST_WAIT, LONGEST_WAIT = 0.2, 30.0
REVOKE_SECONDS = 5.0
FACT_ATTEMPTS = 10
log = structlog.get_logger()


class NotOutbound(DeskstreamError):
    """A record on `outbound` that is not an outbound message."""


class Lane:
    """One assigned partition: unfinished records in log order, the last task of each key, and what was delivered."""

    def __init__(self, partition: TopicPartition, settings: SinkSettings) -> None:
        self.partition = partition
        self.places = asyncio.Semaphore(settings.delivery_in_flight)
        self.memory: asyncio.Task[Delivered] = asyncio.create_task(remember(settings, partition.partition))
        self.unfinished: deque[tuple[int, asyncio.Task[None]]] = deque()
        self.last_of_key: dict[bytes | None, asyncio.Task[None]] = {}
        self.closing = asyncio.Event()
        self.since = time.time()
        self.first: int | None = None
        self.finished_to: int | None = None
        self.committed: int | None = None

    def tried(self, record: Any, message: Outbound, memory: Delivered) -> Tried | None:
        """Whether who had this partition before may have begun with a record: they had read it, and were not done."""
        if self.first is None or record.offset >= self.first + MOST_BEGUN:
            return None
        if record.timestamp > (self.since + CLOCKS_DIFFER_SECONDS) * 1000:
            return None
        return Tried(record.timestamp * 1000, lambda theirs: memory.is_of_another(theirs, message.outbound_id))

    def advance(self) -> None:
        """Move `finished_to` behind the records that are finished without a gap.

        Raises:
            whatever a task raised: a defect, or Kafka not taking the fact; nothing behind it is committed.
        """
        while self.unfinished and self.unfinished[0][1].done():
            offset, task = self.unfinished[0]
            if task.cancelled():
                return
            task.result()
            self.unfinished.popleft()
            self.finished_to = offset + 1


class Waiting:
    """How long a channel that is away is left alone: doubling, shared by all of its messages."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._backoff = defaultdict[str, Backoff](lambda: Backoff(FIRST_WAIT, LONGEST_WAIT))

    @property
    def away(self) -> bool:
        return bool(self._until)

    def seconds(self, channel: str) -> float:
        return max(0.0, self._until.get(channel, 0.0) - time.monotonic())

    def failed(self, channel: str) -> None:
        if not self.seconds(channel):  # of many messages that fail together, the first counts
            self._until[channel] = time.monotonic() + self._backoff[channel].failed()

    def works(self, channel: str) -> None:
        self._until.pop(channel, None)
        self._backoff.pop(channel, None)


class Delivery:
    """The loop. `run` returns after `stop()` once what is being handed over has been, or the drain time is over."""

    def __init__(self, settings: SinkSettings, adapters: Adapters, health: Health) -> None:
        self._settings, self._adapters, self._health = settings, adapters, health
        self._consumer: AIOKafkaConsumer = kafka.consumer(settings, SINK)
        self._producer: AIOKafkaProducer = kafka.producer(settings)
        self._letters = kafka.DeadLetters(settings, self._producer, SINK, DLQ)
        self._lanes: dict[TopicPartition, Lane] = {}
        self._waiting = Waiting()
        self._stopping = asyncio.Event()
        self._next_commit = 0.0

    def stop(self) -> None:
        """Take nothing more; finish what is being handed over."""
        self._stopping.set()

    async def run(self) -> None:
        """Consume until `stop()`.

        Raises:
            Unavailable: Kafka does not answer at the start, or a topic is missing.
        """
        await kafka.start(self._settings, self._consumer, self._producer)
        try:
            await kafka.require(self._settings, self._consumer, (OUTBOUND, DELIVERIES, DLQ))
            self._consumer.subscribe([self._settings.topic(OUTBOUND)], listener=_Rebalance(self))
            self._health.ready = True
            while not self._stopping.is_set():
                await self._turn()
            self._health.ready = False
            await self._close(list(self._lanes.values()), self._settings.sink_drain_seconds)
        finally:
            for lane in self._lanes.values():
                _cancel(lane)
            await self._consumer.stop()
            await self._producer.stop()
            await self._adapters.close()

    async def _turn(self) -> None:
        """Fetch once, start what came, commit what is finished."""
        for partition, records in (await self._consumer.getmany(timeout_ms=50, max_records=MOST_AT_ONCE)).items():
            lane = self._lanes.get(partition)
            if lane is None:
                continue  # it was revoked while these records were on their way; whoever has it now reads them
            for record in records:
                self._start(lane, record)
        for partition, lane in self._lanes.items():
            lane.advance()
            paused = partition in self._consumer.paused()
            if len(lane.unfinished) >= MAX_UNFINISHED and not paused:
                self._consumer.pause(partition)
            elif len(lane.unfinished) < MAX_UNFINISHED // 2 and paused:
                self._consumer.resume(partition)
        SINK_PAUSED.labels(SINK).set(int(self._waiting.away))
        if time.monotonic() >= self._next_commit:
            self._next_commit = time.monotonic() + 0.2
            await self._commit()
        self._health.beat()

    def _start(self, lane: Lane, record: Any) -> None:
        if lane.first is None:
            lane.first = record.offset
        before = lane.last_of_key.get(record.key)
        task = asyncio.create_task(self._handle(lane, record, before))
        lane.last_of_key[record.key] = task
        lane.unfinished.append((record.offset, task))

        def forget(finished: asyncio.Task[None]) -> None:
            if lane.last_of_key.get(record.key) is finished:
                del lane.last_of_key[record.key]

        task.add_done_callback(forget)

    async def _handle(self, lane: Lane, record: Any, before: asyncio.Task[None] | None) -> None:
        """See one record through, after the one before it of the same customer."""
        if before is not None and not before.done():
            await asyncio.wait({before})
        try:
            message = decode(record.value or b"")
            if not isinstance(message, Outbound):
                raise NotOutbound(f"a {type(message).__name__} is no outbound message")
        except (CodecError, NotOutbound) as error:
            await self._letters.write([(record, getattr(error, "reason", "not_outbound"), error)])
            return
        memory = await asyncio.shield(lane.memory)
        # A person asked for it to be sent again: `dlq replay` sets the header.
        asked_again = any(name == REPLAY_HEADER for name, _ in record.headers)
        if memory.done(message.outbound_id, asked_again=asked_again):
            DELIVERED.labels(_bounded(message.channel), "duplicate").inc()
            return
        await self._deliver(lane, record, message, memory)

    async def _deliver(self, lane: Lane, record: Any, message: Outbound, memory: Delivered) -> None:
        attempts, outcome = 0, "delivered"
        tried = lane.tried(record, message, memory)
        backoff, give_up_at = Backoff(FIRST_WAIT, 60.0), time.monotonic() + self._settings.delivery_retry_seconds
        while True:
            await self._rest(lane, self._waiting.seconds(message.channel))
            try:
                async with lane.places:
                    if lane.closing.is_set():
                        raise asyncio.CancelledError
                    detail = await self._adapters.of(message.channel).deliver(message, tried)
                self._works(message.channel)
                attempts += 1
                break
            except Away as error:
                self._away(message.channel, error)
                continue
            except TryLater as error:
                self._works(message.channel)
                attempts += 1
                if time.monotonic() < give_up_at:
                    await self._rest(lane, backoff.failed())
                    continue
                failure: Undeliverable = Undeliverable("bounced", "retries_exhausted", str(error))
            except Undeliverable as error:
                failure = error
                attempts += failure.outcome == "bounced"
            except Exception as error:  # a defect of ours must not hold up everybody behind this message, for ever
                log.exception("adapter_failed", channel=message.channel, outbound_id=message.outbound_id)
                failure = Undeliverable("refused", "defect", f"{type(error).__name__}: {error}")
                failure.__cause__ = error
            outcome, detail = failure.outcome, str(failure)
            await self._letters.write([(record, failure.reason, failure)])
            break
        await self._conclude(record, message, outcome, detail, attempts)
        memory.add(message.outbound_id, outcome, their_ids(message.channel, outcome, detail))

    async def _rest(self, lane: Lane, seconds: float) -> None:
        """Wait, unless the lane closes: then give the record back, unfinished."""
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(lane.closing.wait(), seconds)
        if lane.closing.is_set():
            raise asyncio.CancelledError

    async def _conclude(self, record: Any, message: Outbound, outcome: str, detail: str, attempts: int) -> None:
        """Write the DeliveryFact to the same partition; returns when it is durable. Its version is our own offset."""
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
        await self._write(encode(fact), record)
        channel = _bounded(message.channel)
        DELIVERED.labels(channel, outcome).inc()
        seconds = (now - message.at) / MICROS / self._settings.pipeline_clock.speed  # on the wall clock
        DELIVERY_SECONDS.labels(channel).observe(max(0.0, seconds))

    async def _write(self, fact: bytes, record: Any) -> None:
        """Write a fact, however long Kafka is away: the message is out, and without its fact it would go out again."""
        for attempt in range(1, FACT_ATTEMPTS + 1):
            try:
                await self._producer.send_and_wait(
                    self._settings.topic(DELIVERIES), fact, key=record.key, partition=record.partition
                )
                return
            except KafkaError as error:
                if attempt == FACT_ATTEMPTS:
                    raise
                self._health.problem = f"Kafka does not take a delivery fact: {error!r}"
                log.warning("fact_tried_again", attempt=attempt, error=repr(error))
                await asyncio.sleep(1.0)

    def _away(self, channel: str, error: Away) -> None:
        if not self._waiting.seconds(channel):
            log.warning("channel_away", channel=channel, error=str(error))
        self._waiting.failed(channel)
        self._health.problem = f"{channel}: {error}"

    def _works(self, channel: str) -> None:
        if self._waiting.away:
            self._waiting.works(channel)
            if not self._waiting.away:
                self._health.problem = ""
                log.info("channel_back", channel=channel)

    async def _commit(self) -> None:
        due = {
            partition: lane.finished_to
            for partition, lane in self._lanes.items()
            if lane.finished_to is not None and lane.finished_to != lane.committed
        }
        lag = 0
        for partition, lane in self._lanes.items():
            end = self._consumer.highwater(partition)
            lag += max(0, end - lane.finished_to) if end is not None and lane.finished_to is not None else 0
        SINK_LAG_RECORDS.labels(SINK, self._settings.topic(OUTBOUND)).set(lag)
        if not due:
            return
        try:
            await self._consumer.commit(due)
        except KafkaError as error:  # a rebalance came first: the memory of deliveries keeps them from going out again
            log.warning("commit_failed", error=str(error))
            return
        LAST_COMMIT_SECONDS.labels(SINK).set(time.time())
        for partition, offset in due.items():
            if partition in self._lanes:
                self._lanes[partition].committed = offset

    async def _close(self, lanes: list[Lane], seconds: float) -> None:
        """Start nothing more in these lanes, let what is being handed over finish, commit, and forget them."""
        tasks = []
        for lane in lanes:
            lane.closing.set()
            tasks += [task for _, task in lane.unfinished]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        for lane in lanes:
            with suppress(DeskstreamError, KafkaError):
                lane.advance()
        await self._commit()
        for lane in lanes:
            _cancel(lane)
            self._lanes.pop(lane.partition, None)

    async def revoked(self, partitions: set[TopicPartition]) -> None:
        """Called before partitions may go elsewhere."""
        await self._close(
            [self._lanes[partition] for partition in partitions if partition in self._lanes], REVOKE_SECONDS
        )

    def assigned(self, partitions: set[TopicPartition]) -> None:
        """Called with new partitions; what they delivered before is read before their first message goes out."""
        for partition in partitions:
            if partition not in self._lanes:
                self._lanes[partition] = Lane(partition, self._settings)


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._delivery.revoked(set(revoked))

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._delivery.assigned(set(assigned))


def _cancel(lane: Lane) -> None:
    lane.memory.cancel()
    for _, task in lane.unfinished:
        task.cancel()


def _bounded(channel: str) -> str:
    return channel if channel in CHANNELS else "other"


async def deliver(settings: SinkSettings, adapters: Adapters, health: Health) -> None:
    """Run the sink until SIGTERM or SIGINT, then drain."""
    delivery = Delivery(settings, adapters, health)
    stop_on_signals(delivery.stop)
    await delivery.run()
