"""The skill queues of one team in memory: how many tickets each holds, and its first places.

`fronts` hold the first places exactly, so that the next ticket of a team is found without reading anything. A front
that has run out is unknown until it is filled again from the store, a few places at a time.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TypeVar

from stream_processors.routing.state import FRONT

__all__ = ["WaitingLine"]

T = TypeVar("T")


class WaitingLine:
    """Holds the skill queues; `heads` are their first places in the order of service. `rollback` undoes a record.

    `changes` counts how often a skill queue came or went.
    """

    def __init__(self, counts: dict[str, int], fronts: dict[str, list[bytes]]) -> None:
        self.counts, self.fronts = counts, fronts
        self.heads = sorted((front[0], skills) for skills, front in fronts.items())
        self.unknown = counts.keys() - fronts.keys()
        self._before: dict[str, tuple[int | None, list[bytes] | None]] = {}
        self._channels: dict[str, list[str]] | None = None
        self.changes = 0

    def channels(self) -> dict[str, list[str]]:
        """Returns the skill queues by channel."""
        if self._channels is None:
            self._channels = {}
            for skills in self.counts:
                self._channels.setdefault(skills.partition("\0")[0], []).append(skills)
        return self._channels

    def begin(self) -> None:
        """Begins a record."""
        self._before.clear()

    def rollback(self) -> None:
        """Restores counts and fronts as the record found them. `heads` are good for nothing afterwards."""
        for skills, (count, front) in self._before.items():
            _restore(self.counts, skills, count)
            _restore(self.fronts, skills, front)

    def add(self, skills: str, place: bytes) -> None:
        """Adds a place to a skill queue."""
        self._remember(skills)
        count = self.counts.get(skills, 0)
        self.counts[skills] = count + 1
        front = self.fronts.get(skills)
        if count == 0:
            self._came_or_went()
        if front is None:
            if count == 0:
                self._set(skills, [place])
        elif len(front) == count or place < front[-1]:
            front = front.copy()
            insort(front, place)
            del front[2 * FRONT :]
            self._set(skills, front)

    def discard(self, skills: str, place: bytes) -> None:
        """Removes a place, whose ticket waits no longer."""
        self._remember(skills)
        count = self.counts.get(skills, 0) - 1
        if count > 0:
            self.counts[skills] = count
        else:
            self.counts.pop(skills, None)
            self._came_or_went()
        self._cut(skills, place)

    def skip(self, skills: str, place: bytes) -> None:
        """Removes a place that no ticket counts for."""
        self._remember(skills)
        self._cut(skills, place)

    def _cut(self, skills: str, place: bytes) -> None:
        front = self.fronts.get(skills)
        if front is None:
            if skills not in self.counts:
                self.unknown.discard(skills)
        elif front[0] == place:
            self._set(skills, front[1:])
        else:
            at = bisect_left(front, place)
            if at < len(front) and front[at] == place:
                self._set(skills, front[:at] + front[at + 1 :])

    def fill(self, skills: str, places: list[bytes], more: bool) -> None:
        """Sets the first places of a queue whose front is unknown; none and no `more`: nothing waits there after all."""
        self._remember(skills)
        if places:
            self.unknown.discard(skills)
            self._set(skills, places)
        elif not more:
            self.unknown.discard(skills)
            self.counts.pop(skills, None)
            self._came_or_went()

    def _came_or_went(self) -> None:
        self._channels = None
        self.changes += 1

    def _set(self, skills: str, front: list[bytes]) -> None:
        before = self.fronts.get(skills)
        head = front[0] if front else None
        if before is not None:
            if before[0] == head:
                self.fronts[skills] = front
                return
            del self.heads[bisect_left(self.heads, (before[0], skills))]
        if head is None:
            del self.fronts[skills]
            if skills in self.counts:
                self.unknown.add(skills)
            return
        self.fronts[skills] = front
        insort(self.heads, (head, skills))

    def _remember(self, skills: str) -> None:
        if skills not in self._before:
            self._before[skills] = self.counts.get(skills), self.fronts.get(skills)


def _restore(values: dict[str, T], name: str, value: T | None) -> None:
    if value is None:
        values.pop(name, None)
    else:
        values[name] = value
