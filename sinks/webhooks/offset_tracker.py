"""Tracks which offset of one partition a subscription may commit."""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["OffsetTracker"]


class OffsetTracker:
    """Holds the unfinished records of one partition in log order, each with its task.

    unfinished   (offset, task); the task is None for a record that the subscription does not want
    finished_to  the offset to read on from: behind the records that are finished without a gap
    first_known  the offset of the first record seen, to have something to commit before any is finished
    committed    the offset and the breaker state of the last commit
    """

    def __init__(self) -> None:
        self.unfinished: deque[tuple[int, asyncio.Task[None] | None]] = deque()
        self.finished_to: int | None = None
        self.first_known: int | None = None
        self.committed: tuple[int, str] | None = None

    def add(self, offset: int, task: asyncio.Task[None] | None) -> None:
        """Adds the next record of the log."""
        if self.first_known is None:
            self.first_known = offset
        self.unfinished.append((offset, task))

    # | task of the first unfinished record | the record is            | `finished_to`        |
    # |-------------------------------------|--------------------------|----------------------|
    # | None                                | not wanted               | moves behind it      |
    # | done                                | delivered, or dead letter| moves behind it      |
    # | running                             | in flight, or waiting    | stays                |
    # | cancelled                           | given back               | stays                |
    # | failed                              | unfinished by a defect   | stays; error raised  |
    def advance(self) -> None:
        """Moves `finished_to` behind every record that is finished without a gap.

        Raises:
            Exception: whatever a task raised: a defect, or Kafka does not take a record.
        """
        while self.unfinished:
            offset, task = self.unfinished[0]
            if task is not None:
                if not task.done() or task.cancelled():
                    return
                task.result()
            self.unfinished.popleft()
            self.finished_to = offset + 1

    def due(self, state: str) -> tuple[int, str] | None:
        """Returns the offset and state to commit; None when they are committed already, or no record was seen."""
        offset = self.first_known if self.finished_to is None else self.finished_to
        if offset is None or (offset, state) == self.committed:
            return None
        return offset, state
