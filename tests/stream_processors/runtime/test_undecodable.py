"""No partition stays unread, and no record is passed, whatever a rebalance does to the fetch that is under way.

The consumer's thread is played by `Log`, which does what aiokafka does: a fetch advances the position, whether its records
are then delivered or not, and seeking to what was committed leaves a partition alone of which nothing was.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import faust
import pytest
from faust.types import TP

from stream_processors.runtime.transport import Consumer
from tests.stream_processors.runtime.test_transport import Record

TOPIC = "unread-test"
P0, P1, CHANGELOG = TP(TOPIC, 0), TP(TOPIC, 1), TP("a-changelog", 0)


class Log:
    """The partitions, and one consumer's positions in them."""

    def __init__(self, ends: dict[TP, int]) -> None:
        self.ends, self.positions = ends, dict.fromkeys(ends, 0)
        self.committed: dict[TP, int | None] = dict.fromkeys(ends)
        self.meanwhile: list[Callable[[], None]] = []  # what happens while the next fetches wait
        self.found: Callable[[], None] = lambda: None  # what happens once a fetch has its records

    async def getmany(self, wanted: Any, timeout: float) -> dict[TP, list[Record]]:
        if self.meanwhile:
            self.meanwhile.pop(0)()
        found = {}
        for tp, end in self.ends.items():
            if (not wanted or tp in wanted) and self.positions[tp] < end:
                found[tp] = [Record(offset) for offset in range(self.positions[tp], end)]
                self.positions[tp] = end
        self.found()
        await asyncio.sleep(0)
        return found

    async def go_back(self, offsets: Mapping[TP, int]) -> dict[TP, int]:
        went = {tp: offset for tp, offset in offsets.items() if self.positions[tp] > offset}
        self.positions.update(went)
        return went

    async def seek_to_committed(self) -> dict[TP, int | None]:
        self.positions.update({tp: offset for tp, offset in self.committed.items() if offset})
        return self.committed


@asynccontextmanager
async def consuming(log: Log, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Consumer]:
    app = faust.App("unread-test", broker="deskstream://127.0.0.1:1", web_enabled=False)
    app.finalize()
    consumer = app.consumer
    app.consumer_generation_id = 1
    for name in ("getmany", "go_back", "seek_to_committed"):
        monkeypatch.setattr(consumer._thread, name, getattr(log, name))
    monkeypatch.setattr(Consumer, "batch_topics", {TOPIC})
    monkeypatch.setattr("stream_processors.runtime.transport.SEEK_POLL_SECONDS", 0.0)
    yield consumer


async def read(consumer: Consumer, fetches: int = 3) -> dict[TP, list[int]]:
    """The offsets that so many fetches delivered."""
    seen: dict[TP, list[int]] = {}
    for _ in range(fetches):
        async for tp, message in consumer.getmany(1.0):
            if tp.topic == TOPIC:
                seen.setdefault(tp, []).extend(record.offset for record in message.value)
    return seen


def at_ready(consumer: Consumer) -> None:
    """The end of a recovery, but for the seek: streams fetch again, and the flow goes on."""
    consumer.resume_partitions({P0, P1})
    consumer.resume_flow()


def test_what_was_fetched_while_another_generation_began_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found with two workers starting at once: 45 records that nothing followed stayed unread for ever."""

    async def scenario() -> None:
        log = Log({P0: 45, P1: 3})
        async with consuming(log, monkeypatch) as consumer:
            at_ready(consumer)
            log.meanwhile = [lambda: setattr(consumer.app, "consumer_generation_id", 2)]
            assert await read(consumer) == {P0: list(range(45)), P1: [0, 1, 2]}

    asyncio.run(scenario())


def test_the_first_fetch_after_a_rebalance_belongs_to_the_new_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        log = Log({P0: 45})
        async with consuming(log, monkeypatch) as consumer:
            consumer.stop_flow()
            reading = asyncio.create_task(read(consumer, fetches=1))
            await asyncio.sleep(0)
            consumer.app.consumer_generation_id = 2
            at_ready(consumer)
            assert await reading == {P0: list(range(45))}

    asyncio.run(scenario())


@pytest.mark.parametrize("committed", [None, 20])
def test_what_was_fetched_while_the_streams_were_sought_is_read_again(
    monkeypatch: pytest.MonkeyPatch, committed: int | None
) -> None:
    async def scenario() -> None:
        log = Log({P0: 45})
        log.committed[P0], log.positions[P0] = committed, committed or 0
        async with consuming(log, monkeypatch) as consumer:
            at_ready(consumer)
            log.found = lambda: consumer.resume_partitions({P0})
            assert await read(consumer, fetches=1) == {}
            log.found = lambda: None
            if committed:  # the position is still behind what was fetched: the seek came first
                consumer._committed_offset[P0] = consumer._expected[P0] = committed
            consumer.resume_flow()
            assert await read(consumer) == {P0: list(range(committed or 0, 45))}

    asyncio.run(scenario())


def test_what_was_fetched_while_the_flow_stopped_is_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a committed offset nothing said that the first 45 were missing: they were passed, and committed."""

    async def scenario() -> None:
        log = Log({P0: 45})
        async with consuming(log, monkeypatch) as consumer:
            at_ready(consumer)
            log.found = consumer.stop_flow
            assert await read(consumer, fetches=1) == {}
            log.found, log.ends[P0] = (lambda: None), 50
            await consumer.perform_seek()
            consumer.resume_flow()
            assert await read(consumer) == {P0: list(range(50))}

    asyncio.run(scenario())


def test_a_paused_partition_is_not_fetched_by_one_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faust empties the set that the fetch was given, and an empty set is all partitions to aiokafka."""

    async def scenario() -> None:
        log = Log({P0: 45})
        async with consuming(log, monkeypatch) as consumer:
            consumer.resume_partitions({CHANGELOG})
            consumer.resume_flow()
            log.meanwhile = [lambda: consumer.pause_partitions({CHANGELOG})]
            assert await read(consumer, fetches=1) == {}
            assert log.positions[P0] == 0
            at_ready(consumer)
            assert await read(consumer) == {P0: list(range(45))}

    asyncio.run(scenario())


def test_a_position_never_goes_forward_to_what_was_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        log = Log({P0: 45})
        async with consuming(log, monkeypatch) as consumer:
            at_ready(consumer)
            consumer._keep(P0, 30)
            assert await read(consumer) == {P0: list(range(45))}

    asyncio.run(scenario())


def test_nothing_that_is_kept_survives_a_revocation(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with consuming(Log({P0: 45}), monkeypatch) as consumer:
            monkeypatch.setattr(consumer, "_on_partitions_revoked", _nothing)
            consumer._keep(P0, 30)
            consumer._keep(P1, 31)
            await consumer.on_partitions_revoked({P0})
            assert consumer._undelivered == {P1: 31}

    asyncio.run(scenario())


def test_the_flow_stops_at_an_assignment_that_no_revocation_preceded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the streams fetch before the tables are restored."""

    async def scenario() -> None:
        async with consuming(Log({P0: 45}), monkeypatch) as consumer:
            flowing = []

            async def assigned(*_: Any) -> None:
                flowing.append((consumer.flow_active, consumer.app.flow_control.is_active()))

            monkeypatch.setattr(consumer, "_on_partitions_assigned", assigned)
            monkeypatch.setattr(consumer.app, "on_rebalance_return", lambda: None)
            consumer.app.flow_control.resume()
            consumer.resume_flow()
            await consumer.on_partitions_assigned({P0}, 2)
            assert flowing == [(False, False)]

    asyncio.run(scenario())


async def _nothing(*_: Any) -> None:
    return None
