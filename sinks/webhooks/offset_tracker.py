"""One partition of one subscription: how far it may be committed."""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["Lane"]


class Lane:
    """Records in log order, each with the task that sees it through; None for one that needs nothing.

    finished_to  where to read on: behind the records that are finished without a gap
    first_known  the offset of the first record seen, to have something to commit before any is finished
    """

    def __init__(self) -> None:
        self.unfinished: deque[tuple[int, asyncio.Task[None] | None]] = deque()
        self.finished_to: int | None = None
        self.first_known: int | None = None
        self.committed: tuple[int, str] | None = None

    def add(self, offset: int, task: asyncio.Task[None] | None) -> None:
        if self.first_known is None:
            self.first_known = offset
        self.unfinished.append((offset, task))

    def advance(self) -> None:
        """Move `finished_to` on.

        Raises:
            whatever a task raised: a defect, or Kafka that is away; nothing behind it is committed.
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
        """What to commit, offset and state; None when that is committed already, or nothing is known."""
        offset = self.first_known if self.finished_to is None else self.finished_to
        if offset is None or (offset, state) == self.committed:
            return None
        return offset, state
