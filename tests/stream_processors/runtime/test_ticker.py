"""Ticks for what is due, appended to the partition of its state."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import REGISTRY

from schemas import codec
from schemas.errors import Unavailable
from schemas.events import Tick
from schemas.record_key import name_of
from stream_processors.runtime.batch_producer import BatchProducer
from stream_processors.runtime.ticker import Ticker, tick_for

NOW = 1_772_445_600_000_000


class Batch:
    """Holds two records at most."""

    def __init__(self) -> None:
        self.records: list[tuple[Any, ...]] = []
        self.closed = False

    def append(self, *, key: Any, value: Any, timestamp: int, headers: list[Any]) -> object | None:
        if len(self.records) == 2 or (value or b"").startswith(b"too long"):
            return None
        self.records.append((key, value, timestamp, headers))
        return self

    def close(self) -> None:
        self.closed = True

    def record_count(self) -> int:
        return len(self.records)


class Producer:
    """A broker: each batch gets the next offsets of its partition."""

    def __init__(self) -> None:
        self.log: dict[tuple[str, int], list[tuple[Any, ...]]] = {}

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> Any:
        assert batch.closed
        log = self.log.setdefault((topic, partition), [])
        offset = len(log)
        log += batch.records

        async def acknowledged() -> Any:
            return SimpleNamespace(offset=offset)

        return acknowledged()


def test_every_record_is_in_its_partition_in_order() -> None:
    producer = Producer()

    async def write() -> dict[tuple[str, int], int]:
        batches = BatchProducer(producer, 17)  # type: ignore[arg-type]
        for number in range(5):
            batches.add("facts", number % 2, b"k", b"%d" % number, [("reason", b"r")] if number == 4 else None)
        assert batches.records == 5
        last = await batches.flush()
        assert await batches.flush() == {}
        return last

    assert asyncio.run(write()) == {("facts", 0): 2, ("facts", 1): 1}
    assert producer.log == {
        ("facts", 0): [(b"k", b"0", 17, []), (b"k", b"2", 17, []), (b"k", b"4", 17, [("reason", b"r")])],
        ("facts", 1): [(b"k", b"1", 17, []), (b"k", b"3", 17, [])],
    }


def test_a_record_that_fits_into_no_batch_is_an_error() -> None:
    batches = BatchProducer(Producer(), 17)  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match="a record of 9 bytes does not fit into a batch of facts"):
        batches.add("facts", 0, None, b"too long!")


class Codec:
    """A state whose bytes are its deadline."""

    def deadline(self, key: bytes, value: bytes) -> int | None:
        return int(value) or None


def gauge(name: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"agent": "ticker-test"})


def test_a_tick_is_appended_for_every_deadline_that_is_due() -> None:
    producer, ticker = Producer(), Ticker("ticker-test", "events", Codec())  # type: ignore[arg-type]
    asyncio.run(ticker.rebuild([0, 1], lambda partition: [(b"cTAG%d" % partition, b"%d" % NOW)], lambda: None))
    ticker.update(1, {b"cLATER": b"%d" % (NOW + 1), b"xSTATE": b"%d" % NOW, b"cGONE": b"5"})
    ticker.update(1, {b"cGONE": None})
    ticker.update(2, {b"cOTHER": b"5"})
    for partition in (0, 1, 7):
        asyncio.run(ticker.append_due(producer, partition, NOW))  # type: ignore[arg-type]
    ticker.report()
    written = {
        place: [(name_of(key), codec.decode(value)) for key, value, _, _ in log] for place, log in producer.log.items()
    }
    assert written == {
        ("events", 0): [(b"TAG0", tick_for(b"cTAG0", NOW, NOW))],
        ("events", 1): [(b"TAG1", tick_for(b"cTAG1", NOW, NOW)), (b"xSTATE", tick_for(b"xSTATE", NOW, NOW))],
    }
    assert (gauge("deskstream_ticks_appended_total"), gauge("deskstream_deadlines_pending")) == (3, 2)


def test_a_tick_happened_at_its_deadline() -> None:
    tick = tick_for(b"cTAG0", NOW - 5, NOW)
    assert isinstance(tick, Tick)
    assert (tick.occurred_at, tick.received_at, tick.customer_tag, tick.state_key) == (NOW - 5, NOW, "TAG0", b"cTAG0")
    assert tick_for(b"xSTATE", NOW - 5, NOW).customer_tag == ""
    assert tick_for(b"cTAG0", NOW - 5, NOW + 9).event_id == tick.event_id
    assert tick_for(b"cTAG0", NOW - 4, NOW).event_id != tick.event_id
