"""A worker whose batch is refused as a former owner's gives way when it lost the partition, and ends itself otherwise."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from faust.types import TP

from schemas.process import EXIT_UNAVAILABLE
from schemas.settings import WorkerSettings
from stream_processors.runtime import worker as module
from stream_processors.runtime.batch_producer import Fenced
from stream_processors.runtime.partition_queue import PartitionQueue
from stream_processors.runtime.worker import Worker


class Ended(BaseException):
    """Stands for the end of the process."""


class Group:
    """The group as this process knows it: its generation, and the partitions that it was given."""

    def __init__(self) -> None:
        self.consumer_generation_id, self.given = 1, {TP("contact-events", 0)}
        self.consumer = SimpleNamespace(assignment=lambda: self.given)


class Producers:
    """One producer, which was never replaced here."""

    def of(self, partition: int) -> str:
        return "producer"

    def holds(self, partition: int, producer: str) -> bool:
        return producer == "producer"

    def busy(self, partition: int) -> asyncio.Lock:
        return asyncio.Lock()


class FencedWorker(Worker):
    """One partition of a worker whose batches are all refused."""

    def __init__(self, group: Group) -> None:
        self.app: Any = group
        self.settings = WorkerSettings(session_timeout_seconds=0.2, max_batch_records=1)
        self.processor: Any = SimpleNamespace(name="tickets")
        self.source = "contact-events"
        self.idle = asyncio.Event()
        self.draining, self._in_flight, self.tried = False, 0, 0
        self.producers = Producers()  # type: ignore[assignment]

    async def _write_batch(self, *batch: Any) -> None:
        self.tried += 1
        self.draining = True  # and no batch after this one
        raise Fenced("another producer took over")


def end(group: Group, monkeypatch: pytest.MonkeyPatch, until_rebalance: float | None) -> list[tuple[int, str]]:
    """Runs one batch, with a rebalance after so many seconds; returns how the process ended, if it did."""
    ended: list[tuple[int, str]] = []

    def end_process(code: int, why: str) -> NoReturn:
        ended.append((code, why))
        raise Ended

    async def scene() -> None:
        worker, queue = FencedWorker(group), PartitionQueue()
        for _ in range(2):
            await queue.put(event())
        if until_rebalance is not None:
            asyncio.get_running_loop().call_later(until_rebalance, setattr, group, "consumer_generation_id", 2)
        with suppress(Ended):
            await asyncio.wait_for(worker._run(queue), 20)
        assert worker.tried == 1

    monkeypatch.setattr(module, "end_process", end_process)
    asyncio.run(scene())
    return ended


def event() -> Any:
    message = SimpleNamespace(value=["record"], generation_id=1, partition=0)
    return SimpleNamespace(message=message)


def test_a_refused_batch_is_abandoned_when_a_rebalance_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert end(Group(), monkeypatch, 0.0) == []


def test_a_refused_batch_waits_for_the_rebalance_to_be_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert end(Group(), monkeypatch, 0.05) == []


def test_a_worker_that_is_refused_as_the_owner_ends_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    [(code, why)] = end(Group(), monkeypatch, None)
    assert code == EXIT_UNAVAILABLE
    assert why == "contact-events/0: another producer took over"
