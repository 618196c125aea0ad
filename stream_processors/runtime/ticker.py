"""Appends a `Tick` to the log for every state that is due, so that folding it makes the deadline true."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping

from aiokafka import AIOKafkaProducer

from schemas import codec, metrics
from schemas.events import Tick
from schemas.identity import event_id
from schemas.record_key import record_key
from stream_processors.runtime.batch_producer import BatchProducer
from stream_processors.runtime.state_codec import StateCodec
from stream_processors.runtime.timers import Timers

__all__ = ["Ticker", "tick_for"]

TICKS_AT_ONCE = 1000
_STATES_IN_A_ROW = 1000


class Ticker:
    """Keeps the timers of the partitions of one processor; `name` is the label of its metrics."""

    def __init__(self, name: str, topic: str, state_codec: StateCodec) -> None:
        self._name, self._topic, self._codec = name, topic, state_codec
        self._timers: dict[int, Timers] = {}

    async def rebuild(
        self,
        partitions: Iterable[int],
        states: Callable[[int], Iterable[tuple[bytes, bytes]]],
        progress: Callable[[], None],
    ) -> None:
        """Sets the timers of newly assigned partitions from the head of every state; forgets all others.

        `states` returns the stored states of a partition. `progress` is called now and then, as this takes a while.

        Raises:
            StateFromTheFuture: a newer build wrote a state.
        """
        self._timers = {partition: Timers() for partition in partitions}
        for partition, timers in self._timers.items():
            for count, (key, value) in enumerate(states(partition), 1):
                if (due := self._codec.deadline(key, value)) is not None:
                    timers.set(key, due)
                if count % _STATES_IN_A_ROW == 0:
                    progress()
                    await asyncio.sleep(0)

    def update(self, partition: int, values: Mapping[bytes, bytes | None]) -> None:
        """Sets the timers of states as they were stored; None: the state was deleted."""
        timers = self._timers.setdefault(partition, Timers())
        for key, value in values.items():
            timers.set(key, None if value is None else self._codec.deadline(key, value))

    async def append_due(self, producer: AIOKafkaProducer, partition: int, now: int) -> None:
        """Appends a tick for each timer of a partition that is due by `now` (pipeline micros).

        Raises:
            Unavailable: Kafka did not acknowledge.
        """
        due = self._timers[partition].due(now, TICKS_AT_ONCE) if partition in self._timers else []
        if due:
            writes = BatchProducer(producer, int(time.time() * 1000))
            for deadline, key in due:
                tick = tick_for(key, deadline, now)
                name = tick.customer_tag.encode() or key
                writes.add(self._topic, partition, record_key(name), codec.encode(tick))
            await writes.flush()
            metrics.TICKS_APPENDED.labels(self._name).inc(len(due))

    def report(self) -> None:
        """Sets the gauge of the deadlines whose tick is not appended yet."""
        metrics.DEADLINES_PENDING.labels(self._name).set(sum(map(len, self._timers.values())))


def tick_for(state_key: bytes, deadline: int, now: int) -> Tick:
    """Returns the event of a deadline (pipeline micros): it happened at the deadline and was noticed `now`."""
    is_customer = state_key[:1] == b"c"
    return Tick(
        event_id=event_id("tick", state_key, str(deadline)),
        occurred_at=deadline,
        received_at=now,
        customer_tag=state_key[1:].decode() if is_customer else "",
        source="worker",
        state_key=state_key,
    )
