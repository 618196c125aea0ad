"""The batches of one partition that wait to be folded, one after another."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faust.types import EventT

__all__ = ["PartitionQueue"]

BATCHES_WAITING = 8


class PartitionQueue:
    """Holds at most `BATCHES_WAITING` fetched batches of one partition, each an event of the batch transport."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[EventT] = asyncio.Queue(maxsize=BATCHES_WAITING)
        self._next: EventT | None = None

    async def put(self, event: EventT) -> None:
        """Adds a batch; waits while the queue is full."""
        await self._waiting.put(event)

    async def take(self, most_records: int) -> list[EventT]:
        """Waits for a batch. Returns it, and after it those that wait and fit into one batch of `most_records` with it."""
        first = self._next or await self._waiting.get()
        self._next, events = None, [first]
        room = most_records - len(first.message.value)
        while not self._waiting.empty():
            event = self._waiting.get_nowait()
            room -= len(event.message.value)
            if room < 0 or event.message.generation_id != first.message.generation_id:
                self._next = event
                break
            events.append(event)
        return events
