"""On SIGTERM the batch in flight becomes durable, and none is begun that would lose its producer half way."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from schemas.settings import WorkerSettings
from stream_processors.runtime.partition_queue import PartitionQueue
from stream_processors.runtime.worker import Worker


class Batches(Worker):
    """One partition of a worker whose batches last until they are `let`."""

    def __init__(self) -> None:
        self.settings = WorkerSettings(max_batch_records=1)
        self.idle, self.let = asyncio.Event(), asyncio.Event()
        self.idle.set()
        self.draining, self._in_flight = False, 0
        self.begun: list[Any] = []
        self.durable: list[Any] = []

    async def _batch(self, events: list[Any]) -> None:
        self.begun += events
        await self.let.wait()
        self.durable += events


def event() -> Any:
    return SimpleNamespace(message=SimpleNamespace(value=["record"], generation_id=1))


async def drained(*waiting: Any) -> Batches:
    """A worker that is told to drain while the first of these events is its batch in flight and the others wait."""
    worker, queue = Batches(), PartitionQueue()
    for each in waiting:
        await queue.put(each)
    running = asyncio.create_task(worker._run(queue))
    await asyncio.sleep(0)
    draining = asyncio.create_task(worker.drain())
    await asyncio.sleep(0)
    assert draining.done() == (not waiting), "it waits for the batch in flight"
    worker.let.set()
    await draining
    await queue.put(event())  # a fetch that was under way
    await asyncio.wait_for(running, 5)
    return worker


def test_a_drain_finishes_the_batch_in_flight_and_begins_none() -> None:
    first, second = event(), event()
    worker = asyncio.run(drained(first, second))
    assert worker.durable == worker.begun == [first]


def test_an_idle_worker_drains_at_once_and_begins_nothing() -> None:
    assert asyncio.run(drained()).begun == []
