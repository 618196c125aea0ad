"""The next deadlines of one partition: a heap over state keys, rebuilt from the states after an assignment."""

from __future__ import annotations

from heapq import heappop, heappush


class Deadlines:
    """`set` remembers when a state is next due; `due` takes what is. A taken deadline waits for its state to change."""

    __slots__ = ("_appended", "_current", "_heap")

    def __init__(self) -> None:
        self._current: dict[bytes, int] = {}
        self._appended: dict[bytes, int] = {}  # their ticks are in the log but not folded yet
        self._heap: list[tuple[int, bytes]] = []

    def __len__(self) -> int:
        return len(self._current)

    def set(self, key: bytes, deadline: int | None) -> None:
        if deadline is None:
            self._current.pop(key, None)
            self._appended.pop(key, None)
        elif self._appended.get(key) == deadline:
            return
        elif self._current.get(key) != deadline:
            self._current[key] = deadline
            heappush(self._heap, (deadline, key))

    def next(self) -> int | None:
        """The earliest deadline (micros), or None."""
        while self._heap:
            deadline, key = self._heap[0]
            if self._current.get(key) == deadline:
                return deadline
            heappop(self._heap)  # superseded
        return None

    def due(self, now: int, limit: int) -> list[tuple[int, bytes]]:
        """Take at most `limit` deadlines that are not later than `now`, earliest first."""
        taken: list[tuple[int, bytes]] = []
        while len(taken) < limit and (first := self.next()) is not None and first <= now:
            deadline, key = heappop(self._heap)
            del self._current[key]
            self._appended[key] = deadline
            taken.append((deadline, key))
        return taken

    def put_back(self, taken: list[tuple[int, bytes]]) -> None:
        """Undo `due` for deadlines that could not be appended to the log."""
        for deadline, key in taken:
            self._appended.pop(key, None)
            self._current.setdefault(key, deadline)
            heappush(self._heap, (deadline, key))
