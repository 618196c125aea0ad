"""Puts events back into the order in which they happened, as far as none came later than a given time.

A phone that was offline, a mailbox read in portions or a help desk's retries bring events late. The live fold takes them
as they come and corrects what it can; folding them in order needs a second run (see `recompute`). The buffer holds the
events of a stretch of `within`: an event is handed on once another was received that much later.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush

from schemas.events import Event

__all__ = ["ReorderBuffer"]


class ReorderBuffer:
    """Takes events as they were received; hands them on as they happened. One that is more than `within` micros late stays late.

    Of events that happened in one instant the one that was received first comes first.
    """

    def __init__(self, within: int) -> None:
        self._within, self._newest, self._serial = within, 0, 0
        self._waiting: list[tuple[int, int, Event]] = []

    def take(self, event: Event) -> Iterator[Event]:
        """Takes the next event; yields those that nothing can come before any more."""
        self._serial += 1
        heappush(self._waiting, (event.occurred_at, self._serial, event))
        self._newest = max(self._newest, event.received_at)
        yield from self._until(self._newest - self._within)

    def rest(self) -> Iterator[Event]:
        """Yields the events that are left at the end of the log."""
        while self._waiting:
            yield heappop(self._waiting)[2]

    def _until(self, moment: int) -> Iterator[Event]:
        while self._waiting and self._waiting[0][0] <= moment:
            yield heappop(self._waiting)[2]
