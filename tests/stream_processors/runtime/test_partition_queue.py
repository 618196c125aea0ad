"""Batches that waited for one another are folded as one, as far as they fit."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from stream_processors.runtime.partition_queue import BATCHES_WAITING, PartitionQueue


def event(records: int, generation: int = 1) -> Any:
    return SimpleNamespace(message=SimpleNamespace(value=[None] * records, generation_id=generation))


async def taken(*waiting: Any, most: int = 10) -> list[list[int]]:
    queue, left, found = PartitionQueue(), len(waiting), []
    for each in waiting:
        await queue.put(each)
    while left:
        events = await asyncio.wait_for(queue.take(most), 5)
        found.append([len(each.message.value) for each in events])
        left -= len(events)
    return found


@pytest.mark.parametrize(
    ("waiting", "batches"),
    [
        ([event(3)], [[3]]),
        ([event(3), event(4)], [[3, 4]]),
        ([event(6), event(4)], [[6, 4]]),
        ([event(6), event(5)], [[6], [5]]),
        ([event(6), event(5), event(5)], [[6], [5, 5]]),
        ([event(11), event(1)], [[11], [1]]),
        ([event(1), event(1, generation=2), event(1, generation=2)], [[1], [1, 1]]),
    ],
)
def test_batches_are_joined_while_they_fit_and_are_of_one_generation(waiting: list[Any], batches: list[Any]) -> None:
    assert asyncio.run(taken(*waiting)) == batches


def test_the_ninth_batch_waits_until_one_was_taken() -> None:
    async def put_nine() -> list[bool]:
        queue = PartitionQueue()
        for _ in range(BATCHES_WAITING):
            await asyncio.wait_for(queue.put(event(1)), 5)
        ninth = asyncio.create_task(queue.put(event(1)))
        await asyncio.sleep(0)
        waits = not ninth.done()
        await queue.take(1)
        await asyncio.wait_for(ninth, 5)
        return [waits, ninth.done()]

    assert BATCHES_WAITING == 8
    assert asyncio.run(put_nine()) == [True, True]
