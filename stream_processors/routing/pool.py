"""The agents on shift for one skill queue: their classes, and a heap of those of a class who have room (see `roster`)."""

from __future__ import annotations

from heapq import heappush

from stream_processors.routing.state import Needs

__all__ = ["Pool"]

_CLASSES = 4


class Pool:
    """The agents on shift for one skill queue, by class. A heap is made when it is asked for.

    best    the best class of which somebody is on shift; None: nobody is who takes the channel
    """

    __slots__ = ("best", "counts", "heaps", "members", "needs")

    def __init__(self, needs: Needs) -> None:
        self.needs = needs
        self.members: dict[str, int] = {}
        self.best: int | None = None
        self.counts = [0] * _CLASSES
        self.heaps: list[list[tuple[int, int, str]] | None] = [None] * _CLASSES

    def place(self, name: str, found: int | None) -> None:
        """Puts an agent into a class, or into none."""
        before = self.members.pop(name, None)
        if before is not None:
            self.counts[before] -= 1
        if found is not None:
            self.members[name] = found
            self.counts[found] += 1
        self.best = next((each for each in range(_CLASSES - 1, -1, -1) if self.counts[each]), None)

    def push(self, name: str, entry: tuple[int, int, str]) -> None:
        """Lets the heap of an agent's class know that they have room."""
        found = self.members.get(name)
        if found is not None and (heap := self.heaps[found]) is not None:
            heappush(heap, entry)
            if len(heap) > 2 * self.counts[found] + 64:
                self.heaps[found] = None  # made anew without what is out of date
