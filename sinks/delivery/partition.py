"""Tracks the outbound messages of one assigned partition, and which offset may be committed."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

from aiokafka import TopicPartition

from schemas.facts import Outbound
from schemas.settings import SinkSettings
from sinks.delivery.adapter import Attempt
from sinks.delivery.history import DeliveryHistory, read_history

__all__ = ["MAX_BEHIND", "MAX_UNFINISHED", "MOST_AT_ONCE", "AssignedPartition"]

#: So many messages of a partition wait or are handed over at once ...
MAX_UNFINISHED, MOST_AT_ONCE = 1000, 500
#: ... and so many finished ones may lie behind one that is not: a recipient who is refused for 15 minutes holds up nobody
#: up to 22 messages a second and partition.
MAX_BEHIND = 20_000
#: An owner begins no record farther behind its first unfinished one, and some of its commits may have failed.
MOST_BEGUN = 2 * (MAX_BEHIND + MOST_AT_ONCE)
CLOCK_SKEW_SECONDS = 60.0


class AssignedPartition:
    """Holds the unfinished records of a partition in log order, the last task of each key, and the delivery history.

    in_flight    lets at most `delivery_in_flight` messages be handed over at once
    running      how many of the unfinished records have no outcome yet
    closing      is set when the partition is given up: nothing more is begun
    first        the offset of the first record seen
    finished_to  the offset to read on from: behind the records that are finished without a gap
    committed    the offset of the last commit
    """

    def __init__(self, partition: TopicPartition, settings: SinkSettings) -> None:
        self.partition = partition
        self.in_flight = asyncio.Semaphore(settings.delivery_in_flight)
        self.history: asyncio.Task[DeliveryHistory] = asyncio.create_task(read_history(settings, partition.partition))
        self.unfinished: deque[tuple[int, asyncio.Task[None]]] = deque()
        self.last_of_key: dict[bytes | None, asyncio.Task[None]] = {}
        self.running = 0
        self.closing = asyncio.Event()
        self.first: int | None = None
        self.finished_to: int | None = None
        self.committed: int | None = None
        self._assigned_at = time.time()

    def earlier_attempt(self, record: Any, message: Outbound, history: DeliveryHistory) -> Attempt | None:
        """Returns the attempt that the partition's owner before may have begun; None when it cannot have."""
        if self.first is None or record.offset >= self.first + MOST_BEGUN:
            return None
        if record.timestamp > (self._assigned_at + CLOCK_SKEW_SECONDS) * 1000:
            return None
        return Attempt(record.timestamp * 1000, lambda theirs: history.is_of_another(theirs, message.outbound_id))

    @property
    def is_full(self) -> bool:
        """True while nothing more is to be fetched."""
        return self.running >= MAX_UNFINISHED or len(self.unfinished) >= MAX_BEHIND

    @property
    def has_room(self) -> bool:
        """True when a paused partition may be fetched again."""
        return self.running < MAX_UNFINISHED // 2 and len(self.unfinished) < MAX_BEHIND - MOST_AT_ONCE

    def advance(self) -> None:
        """Moves `finished_to` behind the records that are finished without a gap.

        Raises:
            Exception: whatever a task raised: a defect, or Kafka does not take the fact.
        """
        while self.unfinished and self.unfinished[0][1].done():
            offset, task = self.unfinished[0]
            if task.cancelled():
                return
            task.result()
            self.unfinished.popleft()
            self.finished_to = offset + 1

    def cancel(self) -> None:
        """Cancels every task of the partition."""
        self.history.cancel()
        for _, task in self.unfinished:
            task.cancel()
