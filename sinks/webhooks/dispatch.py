"""One subscription at work: facts from Kafka to one receiver, each customer's in order, until they are dealt with.

Every subscription is a consumer group with connections of its own, so a slow or dead receiver holds up nobody else.
Facts of one customer go out one after the other, in the order of their topic; those of different customers do not wait
for each other. What an answer means is in `verdict.py`. An offset is committed once its fact was delivered, or is a
dead letter, and all before it: after a kill some facts go out again, with the `Deskstream-Delivery` they had before.

| state of the breaker  | facts are read | facts that were read                                                       |
|-----------------------|----------------|----------------------------------------------------------------------------|
| closed                | yes            | tried, and again for `webhook_retry_seconds`, then a dead letter           |
| open, half-open       | no             | wait; one after the other is the probe; this time is not counted as theirs |
| off (410)             | no             | given back unfinished; a restart tries again                               |

The state stands in the metadata of the commits, where `webhooks list` finds it.
"""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from schemas.circuit_breaker import CircuitBreaker, State
from schemas.codec import HEADER_BYTES, decode
from schemas.errors import CodecError, DeskstreamError
from schemas.facts import Fact
from schemas.metrics import LAST_COMMIT_SECONDS, SINK_LAG_RECORDS, WEBHOOK_BREAKER
from schemas.process import Health
from schemas.settings import SinkSettings
from schemas.topics import DEAD_LETTERS, DELIVERIES, FACT_TOPICS
from sinks import kafka
from sinks.webhooks import retry_decision
from sinks.webhooks.delivery_log import Journal
from sinks.webhooks.offset_tracker import Lane
from sinks.webhooks.payload import body, kinds_by_header, name_of
from sinks.webhooks.probe_queue import Gate
from sinks.webhooks.retry_decision import Answer, Verdict
from sinks.webhooks.sender import Sender
from sinks.webhooks.signing import delivery_id
from sinks.webhooks.subscriptions import Subscription

__all__ = ["DLQ", "SINK", "Dispatch", "NotTaken", "producer_of", "state_text"]

SINK = "webhooks"
DLQ = next(topic for topic in DEAD_LETTERS if topic.name == FACT_TOPICS[0].dlq)
MOST_TASKS = 500
#: Records that were dealt with but stand behind one that was not; after a kill they go out again.
MOST_AHEAD = 20_000
COMMIT_SECONDS = 0.2
REVOKE_SECONDS = 5.0
log = structlog.get_logger()


class NotTaken(DeskstreamError):
    """A receiver did not take a fact."""


def producer_of(subscription: str) -> str:
    """Who can take a dead letter of a subscription again, as the letter names it."""
    return f"webhooks replay {subscription}"


def state_text(state: State, wall: float) -> str:
    """A state as commits carry it: `open@1772409600`."""
    return f"{state.name.lower()}@{int(wall)}"


class Dispatch:
    """The loop of one subscription. `run` returns after `stop()`."""

    def __init__(self, subscription: Subscription, settings: SinkSettings, health: Health) -> None:
        self._subscription, self._settings, self._health = subscription, settings, health
        self._log = log.bind(subscription=subscription.name)
        self._consumer: AIOKafkaConsumer = kafka.consumer(settings, subscription.group)
        self._producer: AIOKafkaProducer = kafka.producer(settings)
        self._letters = kafka.DeadLetters(settings, self._producer, SINK, DLQ)
        self._journal = Journal(settings, self._producer, self._problem)
        self._sender: Sender
        self._gate = Gate(
            CircuitBreaker(settings.webhook_breaker_failures, settings.webhook_breaker_seconds), self._breaker_changed
        )
        self._state = state_text(State.CLOSED, time.time())
        self._places = asyncio.Semaphore(settings.webhook_in_flight)
        self._lanes: dict[TopicPartition, Lane] = {}
        self._new: set[TopicPartition] = set()
        self._last_of_key: dict[bytes | None, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy: set[asyncio.Task[None]] = set()  # between the beginning of an attempt and its record
        self._full = False
        self._stopping = asyncio.Event()
        self._next_commit = 0.0
        self.ready, self.turned_at = False, time.monotonic()
        WEBHOOK_BREAKER.labels(subscription.name).set(State.CLOSED.value)

    def stop(self) -> None:
        """Take nothing more; finish what is being sent."""
        self._stopping.set()

    async def run(self) -> None:
        """Consume until `stop()`.

        Raises:
            Unavailable: Kafka does not answer at the start, or a topic is missing.
        """
        await kafka.start(self._settings, self._consumer, self._producer)
        self._sender = Sender(self._subscription, self._settings)
        try:
            topics = self._subscription.topics
            await kafka.require(self._settings, self._consumer, (*topics, DELIVERIES, DLQ))
            names = [self._settings.topic(topic) for topic in topics]
            self._consumer.subscribe(names, listener=_Rebalance(self))
            self.ready = True
            while not self._stopping.is_set() and self._gate.state is not State.OFF:
                await self._turn()
            await self._close(list(self._lanes), self._settings.sink_drain_seconds)
        finally:
            for task in self._tasks:
                task.cancel()
            await self._consumer.stop()
            await self._producer.stop()
            await self._sender.close()
        while not self._stopping.is_set():  # switched off: it owns nothing, and the others go on
            self.turned_at = time.monotonic()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 0.5)

    async def _turn(self) -> None:
        """Fetch once, start what came, commit what is finished."""
        await self._choose_start()
        for partition, records in (await self._consumer.getmany(timeout_ms=50, max_records=500)).items():
            lane = self._lanes.get(partition)
            if lane is None:
                continue  # it was revoked on the way; whoever has it now reads them
            if partition in self._new:  # it was assigned on the way: first it must be known where to begin
                self._consumer.seek(partition, records[0].offset)
                continue
            for record in records:
                lane.add(record.offset, self._start(record))
        for lane in self._lanes.values():
            lane.advance()
        self._hold_back()
        if time.monotonic() >= self._next_commit:
            self._next_commit = time.monotonic() + COMMIT_SECONDS
            await self._commit()
        self.turned_at = time.monotonic()

    async def _choose_start(self) -> None:
        """A subscription that starts now begins at the end of partitions that it never committed."""
        for partition in list(self._new):
            self._new.discard(partition)
            if self._subscription.start == "now" and await self._consumer.committed(partition) is None:
                await self._consumer.seek_to_end(partition)
                lane = self._lanes.get(partition)
                if lane is not None:
                    lane.finished_to = await self._consumer.position(partition)

    def _hold_back(self) -> None:
        """Read nothing while the breaker is not closed, or too much is unfinished.

        When nothing that was read is left to be the probe, something is read as soon as a probe may begin.
        """
        self._full = len(self._tasks) >= (MOST_TASKS // 2 if self._full else MOST_TASKS)
        held = self._full or (self._gate.state is not State.CLOSED and bool(self._tasks or self._gate.wait_seconds))
        paused = self._consumer.paused()
        for partition, lane in self._lanes.items():
            hold = held or len(lane.unfinished) >= MOST_AHEAD
            if hold and partition not in paused:
                self._consumer.pause(partition)
            elif not hold and partition in paused:
                self._consumer.resume(partition)

    def _start(self, record: Any) -> asyncio.Task[None] | None:
        """The task that sees a record through; None when the subscription does not want it."""
        kind = kinds_by_header().get((record.value or b"")[:HEADER_BYTES])
        if kind is not None and kind not in self._subscription.facts:
            return None
        try:
            fact = decode(record.value or b"")
        except CodecError as error:
            work = self._dead_letter(record, error.reason, error)
        else:
            if not self._subscription.wants(fact):
                return None
            work = self._see_through(record, fact, self._last_of_key.get(record.key))
        task = asyncio.create_task(work)
        self._tasks.add(task)
        self._last_of_key[record.key] = task

        def forget(finished: asyncio.Task[None]) -> None:
            self._tasks.discard(finished)
            self._busy.discard(finished)
            if self._last_of_key.get(record.key) is finished:
                del self._last_of_key[record.key]

        task.add_done_callback(forget)
        return task

    async def _see_through(self, record: Any, fact: Fact, before: asyncio.Task[None] | None) -> None:
        """Send one fact, after the one before it of the same customer, until it is taken or a dead letter."""
        if before is not None and not before.done():
            await asyncio.wait({before})
        if before is not None and (before.cancelled() or before.exception()):
            raise asyncio.CancelledError  # the one before it was given back, so this one is as well
        delivery = delivery_id(self._subscription.name, record.topic, record.partition, record.offset)
        raw, attempt = body(fact), 0
        began, was_open = time.monotonic(), self._gate.open_seconds
        while True:
            attempt += 1
            answer = await self._attempt(raw, delivery, name_of(type(fact)))
            left = self._settings.webhook_retry_seconds
            left -= time.monotonic() - began - (self._gate.open_seconds - was_open)
            outcome = _outcome(answer, left)
            await self._journal.write(
                self._subscription.name, delivery, fact, record.partition, attempt, outcome, answer
            )
            if outcome == "delivered":
                return
            if outcome == "switched_off":
                raise asyncio.CancelledError  # given back
            if outcome == "dead_lettered":
                said = f"HTTP {answer.status}" if answer.status else "no answer"
                error = NotTaken(f"{self._subscription.name}: {said}: {answer.detail}")
                await self._dead_letter(record, retry_decision.reason(answer.status), error)
                return
            self._busy -= _current()
            wait = max(retry_decision.backoff(attempt, random.random()), answer.retry_after)
            await asyncio.sleep(min(wait, max(left, 0.0)))

    async def _attempt(self, raw: bytes, delivery: str, kind: str) -> Answer:
        """One attempt, when there is a place and the breaker allows it; the breaker hears how it went."""
        async with self._places:
            number = await self._gate.enter()
            self._busy |= _current()
            try:
                answer = await self._sender.post(raw, delivery, kind)
            except BaseException:
                self._gate.abandoned(number)
                raise
            if answer.retry_after and answer.status in (429, 503):
                self._gate.pause(answer.retry_after)
            if retry_decision.judge(answer.status) is Verdict.OFF:
                self._switch_off(answer)
            elif retry_decision.works(answer.status):
                self._gate.succeeded(number)
            else:
                self._gate.failed(number)
                self._log.debug("webhook_failed", status=answer.status, detail=answer.detail)
            return answer

    async def _dead_letter(self, record: Any, reason: str, error: Exception) -> None:
        self._log.warning("webhook_dead_letter", reason=reason, error=str(error)[:300])
        await self._letters.write([(record, reason, error)], producer=producer_of(self._subscription.name))

    def _switch_off(self, answer: Answer) -> None:
        if self._gate.state is not State.OFF:
            self._gate.switch_off()
            self._log.error("subscription_switched_off", status=answer.status, detail=answer.detail, fix="see the URL")

    def _breaker_changed(self, state: State) -> None:
        WEBHOOK_BREAKER.labels(self._subscription.name).set(state.value)
        self._state = state_text(state, time.time())
        if state is not State.HALF_OPEN:
            say = self._log.info if state is State.CLOSED else self._log.warning
            say("breaker", state=state.name.lower())

    def _problem(self, text: str) -> None:
        self._health.problem = text

    async def _commit(self) -> None:
        due = {place: what for place, lane in self._lanes.items() if (what := lane.due(self._state)) is not None}
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
            if partition in self._lanes:
                self._lanes[partition].committed = what

    def _measure_lag(self) -> None:
        lag: dict[str, int] = {}
        for partition, lane in self._lanes.items():
            end = self._consumer.highwater(partition)
            if end is not None and lane.finished_to is not None:
                lag[partition.topic] = lag.get(partition.topic, 0) + max(0, end - lane.finished_to)
        for topic, records in lag.items():
            SINK_LAG_RECORDS.labels(self._subscription.group, topic).set(records)

    async def _close(self, partitions: list[TopicPartition], seconds: float) -> None:
        """Give back what waits, let what is being sent be answered, commit, and forget these partitions."""
        lanes = {partition: self._lanes[partition] for partition in partitions if partition in self._lanes}
        tasks = {task for lane in lanes.values() for _, task in lane.unfinished if task is not None}
        await self._settle(tasks, seconds)
        for lane in lanes.values():
            with suppress(DeskstreamError, KafkaError):
                lane.advance()
        await self._commit()
        for partition in lanes:
            self._lanes.pop(partition, None)
            self._new.discard(partition)

    async def _settle(self, tasks: set[asyncio.Task[None]], seconds: float) -> None:
        """Cancel tasks, those in an attempt only after it was recorded; all of them when the time is over."""
        until = time.monotonic() + seconds
        while pending := {task for task in tasks if not task.done()}:
            late = time.monotonic() >= until
            for task in pending:
                if late or task not in self._busy:
                    task.cancel()
            await asyncio.wait(pending, timeout=0.02)
            if late:
                await asyncio.wait(pending, timeout=1.0)
                return

    async def revoked(self, partitions: set[TopicPartition]) -> None:
        """Called before partitions may go elsewhere."""
        await self._close(list(partitions), REVOKE_SECONDS)

    def assigned(self, partitions: set[TopicPartition]) -> None:
        """Called with new partitions."""
        for partition in partitions:
            if partition not in self._lanes:
                self._lanes[partition] = Lane()
                self._new.add(partition)


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._dispatch.revoked(set(revoked))

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._dispatch.assigned(set(assigned))


def _current() -> set[asyncio.Task[Any]]:
    task = asyncio.current_task()
    return {task} if task else set()


def _outcome(answer: Answer, left: float) -> str:
    """What becomes of a fact after an answer, when `left` seconds of its time are left."""
    match retry_decision.judge(answer.status):
        case Verdict.DELIVERED:
            return "delivered"
        case Verdict.OFF:
            return "switched_off"
        case Verdict.AGAIN if left > 0:
            return "retried"
        case _:
            return "dead_lettered"
