"""Hands each fetched partition batch to an agent as one message: the batch transport.

Faust hands records over one at a time, at about 90 µs each; with this driver the worker loop gets all the records
that one fetch returned for a partition as `event.message.value`, and commits whole batches in delivery order.
Registered as the `faust.transports` entry point `deskstream`; changelog topics keep Faust's own path.

What is overridden, and why (each has a regression test in tests/stream_processors/runtime/test_transport.py):

- A compaction gap counts the next offset as acknowledged, so that a commit can pass an unprocessed record.
  Here: gaps are never acknowledged; a batch covers its own gaps.
- 31 unacknowledged and 32 acknowledged commits 33.
  Here: only the longest acknowledged prefix of delivered batches is committed.
- An acknowledgement from before a rebalance still counts after it.
  Here: a batch that is no longer tracked cannot be acknowledged.
- A fetch that was under way while the position was sought back is delivered ahead of what must be read again.
  Here: a batch that does not continue where the last one ended is not delivered; it is sought back to there.
- After a recovery the streams fetch already while they are sought back, and then their queues are emptied: what came
  in between is neither processed nor read again. Here: nothing is delivered until the queues were emptied.
- What a fetch brought and nobody was given (a rebalance began or ended meanwhile, a partition was paused) is behind the
  consumer's position: it stays unread until a record follows, and without a committed offset it is passed for good.
  Here: where it began is remembered, and the position goes back there before anything else of the partition is delivered.
- A fetch waits with the set of partitions that Faust changes meanwhile, and aiokafka takes an empty set for "all".
  Here: a fetch asks for the partitions that were active when it began.
- What one fetch brought of a partition, up to 1 MB, is handed over to its end before the next partition has its turn: a
  slow worker with a backlog leaves the others uncommitted for minutes, and the watchdog ends it for that.
  Here: partitions take turns, `max_batch_records` each.
- A worker that had no partitions goes on fetching while it is given some, before their tables are restored.
  Here: the flow stops at every assignment; the end of the recovery resumes it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, ClassVar

from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

SEEK_POLL_SECONDS = 0.02
#: After a fetch of few records the next one waits so long: a batch costs the broker a dozen appends however small it
#: is, and at some hundred contacts/s on a small machine those would take more of it than the folding does.
GATHER_SECONDS, FEW_RECORDS = 0.025, 200


FETCH_MIN_BYTES, FETCH_MAX_WAIT_MS = 64 * 1024, 20


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Asks the broker for what there is after 20 ms, not for every record as it comes."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_min_bytes, consumer._fetch_max_wait_ms = FETCH_MIN_BYTES, FETCH_MAX_WAIT_MS
        return consumer

    async def _fetch_records(self, consumer: Any, *args: Any, **kwargs: Any) -> Any:
        fetched = await super()._fetch_records(consumer, *args, **kwargs)
        buffered = consumer._fetcher._records  # aiokafka asks them in this order
        for tp in fetched:
            if tp in buffered:
                buffered[tp] = buffered.pop(tp)
        return fetched

    async def go_back(self, offsets: Mapping[TP, int]) -> dict[TP, int]:
        """Seeks partitions back to these offsets where their positions are behind them; returns those that were."""
        return await self.call_thread(self._go_back, offsets)  # type: ignore[no-any-return]

    async def _go_back(self, offsets: Mapping[TP, int]) -> dict[TP, int]:
        consumer = self._ensure_consumer()
        went: dict[TP, int] = {}
        subscription = consumer._subscription.subscription
        assignment = subscription.assignment if subscription else None
        for tp, offset in offsets.items():
            state = assignment.state_value(tp) if assignment else None
            if state is not None and state.has_valid_position and state.position > offset:
                consumer.seek(tp, offset)
                went[tp] = offset
        return went


class Delivered:
    """A batch that was handed to an agent: the last offset it covers, and whether it is durable."""

    __slots__ = ("done", "last", "message")

    def __init__(self, message: ConsumerMessage, last: int) -> None:
        self.message, self.last, self.done = message, last, False


class Consumer(driver.Consumer):  # type: ignore[misc]
    """Delivers and commits batches for the topics in `batch_topics`; otherwise Faust's aiokafka consumer."""

    batch_topics: ClassVar[set[str]] = set()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._delivered: dict[TP, deque[Delivered]] = defaultdict(deque)
        self._expected: dict[TP, int] = {}  # the offset that the next batch of a partition continues at
        self._known_gap: dict[TP, int] = {}  # asked for once more: the log itself has a gap there
        self._undelivered: dict[TP, int] = {}  # where what was fetched and not delivered begins
        self._gather = False
        self._seeking = False  # the streams were resumed, but their queues will be emptied once more
        super().__init__(*args, **kwargs)

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109 (Faust's signature)
        """Yields one message per fetched partition batch, and changelog records one by one."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        if self._seeking:
            await asyncio.sleep(SEEK_POLL_SECONDS)
            return
        if self._gather:
            await asyncio.sleep(GATHER_SECONDS)
        if self._undelivered and self.flow_active:
            await self._go_back()
        generation = self.app.consumer_generation_id
        records, active = await self._wait_next_records(timeout)
        if records is None or self.should_stop:
            return
        self._gather = 0 < sum(map(len, records.values())) < FEW_RECORDS
        for tp, batch in records.items():
            if not batch:
                continue
            if not self._may_deliver(tp, active, generation):
                self._keep(tp, batch[0].offset)
            elif tp.topic not in self.batch_topics:
                for record in self._restored(tp, batch):
                    yield tp, self._to_message(tp, record)
            elif self._continues(tp, batch[0].offset):
                yield tp, self._batch_message(tp, batch, generation)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109
        wanted = None if active_partitions is None else frozenset(active_partitions)
        return await super()._getmany(wanted, timeout)

    def _may_deliver(self, tp: TP, active: set[TP] | None, generation: int) -> bool:
        """Returns true when the fetched records are still wanted and the queue that they go to will not be emptied."""
        return (
            self.flow_active
            and self.app.consumer_generation_id == generation
            and (active is None or tp in active or tp in self._buffered_partitions)
            and tp not in self._undelivered
            and not (self._seeking and tp.topic in self.batch_topics)
        )

    def _keep(self, tp: TP, first: int) -> None:
        self._undelivered[tp] = min(first, self._undelivered.get(tp, first))

    async def _go_back(self) -> None:
        """Fetches again what was not delivered: the position has passed it, and nothing else would read it.

        A partition whose next offset is known goes back to that; never forward, since a seek meanwhile may have gone
        further back than what was kept.
        """
        kept, self._undelivered = self._undelivered, {}
        for tp, offset in (await self._thread.go_back({tp: self._expected.get(tp, kept[tp]) for tp in kept})).items():
            self.log.info("%r: fetched and not delivered: reading again from %d", tp, offset)
            self._read_offset[tp] = offset or None

    def _restored(self, tp: TP, batch: list[Any]) -> list[Any]:
        """Restores a changelog batch at once; returns what is left for Faust's own recovery to see.

        Faust restores one event at a time, at about 90 µs each. All but the last record go straight to the store;
        the last one takes Faust's way, so that its bookkeeping sees the progress and the end.
        """
        recovery = self.app.tables.recovery
        table = self.app.tables._changelogs.get(tp.topic)
        if len(batch) < 2 or table is None or not recovery.in_recovery or tp not in recovery.active_tps:
            return batch
        table.data.restore(tp, batch[:-1])
        recovery.active_offsets[tp] = batch[-2].offset
        return batch[-1:]

    def _continues(self, tp: TP, first: int) -> bool:
        """Returns true when a batch from `first` continues the partition; if not, the partition is fetched again from there."""
        expected = self._expected.get(tp)
        if expected is None or first <= expected or self._known_gap.get(tp) == expected:
            return True
        self._known_gap[tp] = expected
        self.log.warning("%r: fetched from %d, expected %d: reading again", tp, first, expected)
        self._keep(tp, expected)
        return False

    def _batch_message(self, tp: TP, batch: list[Any], generation: int) -> ConsumerMessage:
        last = batch[-1]
        message = ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000,
            last.timestamp_type,
            (),
            None,
            batch,
            None,
            0,
            0,
            tp,
            generation_id=generation,
        )
        self._delivered[tp].append(Delivered(message, last.offset))
        self._expected[tp] = last.offset + 1
        self._read_offset[tp] = None  # Faust drops what ends before it, silently
        return message

    def ack(self, message: ConsumerMessage) -> bool:
        """Marks a batch as durable; ignores one that is no longer tracked because a rebalance took it away."""
        if message.topic not in self.batch_topics:
            return bool(super().ack(message))
        message.acked = True
        self._unacked_messages.discard(message)
        for entry in self._delivered[message.tp]:
            if entry.message is message and not entry.done:
                entry.done = True
                self._acked[message.tp].append(entry.last)  # makes the partition a candidate for the next commit
                self._n_acked += 1
                return True
        return False

    def _new_offset(self, tp: TP) -> int | None:
        """Returns the offset after the longest durable prefix of what was delivered, or None when nothing is new."""
        if tp.topic not in self.batch_topics:
            return super()._new_offset(tp)  # type: ignore[no-any-return]
        newest = None
        queue = self._delivered[tp]
        while queue and queue[0].done:
            newest = queue.popleft().last + 1
        self._acked[tp].clear()
        return newest

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        if tp.topic not in self.batch_topics:
            await super()._add_gap(tp, offset_from, offset_to)

    async def perform_seek(self) -> None:
        """Seeks back to the committed offsets; what was delivered before will be delivered again."""
        self._delivered.clear()
        self._expected.clear()
        await super().perform_seek()
        for tp, offset in self._committed_offset.items():
            if tp.topic in self.batch_topics and offset is not None:
                self._expected[tp] = offset

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Lets partitions be fetched again. Faust then seeks the streams, empties their queues and resumes the flow."""
        super().resume_partitions(tps)
        if any(tp.topic in self.batch_topics for tp in tps):
            self._seeking = True

    def resume_flow(self) -> None:
        """Lets batches be delivered again: the queues of the streams were emptied."""
        super().resume_flow()
        self._seeking = False

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Forgets all that is known of partitions that were taken away."""
        for tp in revoked:
            for of_partition in (self._delivered, self._expected, self._known_gap, self._undelivered):
                of_partition.pop(tp, None)
        self._buffered_partitions.difference_update(revoked)
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Stops the flow until the tables of newly assigned partitions are restored.

        The workers claim the partitions first: what a changelog holds then is all that earlier owners will have written.
        """
        self.stop_flow()
        self.app.flow_control.suspend()
        await asyncio.gather(*(worker.claim(assigned) for worker in getattr(self.app, "deskstream_workers", ())))
        await super().on_partitions_assigned(assigned, generation_id)


class Transport(driver.Transport):  # type: ignore[misc]
    """The transport of `deskstream://host:port`."""

    Consumer = Consumer
