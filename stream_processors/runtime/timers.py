"""Holds the next deadlines of one partition, hundreds of thousands of them, rebuilt from the states after an assignment.

Deadlines that are far away lie in buckets of about a minute, unordered: a key in a list costs 8 bytes, in a heap 70.
When its minute comes, a bucket is poured into a heap. So a poll with nothing due looks at two numbers.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

#: 67 seconds: a power of two of microseconds.
_BUCKET_BITS = 26
#: Superseded entries are swept out when they outnumber the others and there are so many.
_SWEEP_FROM = 10_000


class Timers:
    """Remembers when each state is next due. A deadline that `due` has taken waits for its state to change."""

    __slots__ = ("_appended", "_current", "_far", "_far_entries", "_far_order", "_near", "_opened")

    def __init__(self) -> None:
        self._current: dict[bytes, int] = {}
        self._appended: dict[bytes, int] = {}  # their ticks are in the log but not folded yet
        self._near: list[tuple[int, bytes]] = []  # a heap of what lies in buckets that were opened
        self._far: dict[int, list[bytes]] = {}  # bucket → keys; some have been moved elsewhere since
        self._far_order: list[int] = []  # a heap of the buckets
        self._far_entries = 0
        self._opened = -1  # all buckets up to this one were opened

    def __len__(self) -> int:
        return len(self._current)

    def set(self, key: bytes, deadline: int | None) -> None:
        """Sets a state's next deadline (pipeline micros); None for none."""
        if deadline is None:
            self._current.pop(key, None)
            self._appended.pop(key, None)
        elif self._appended.get(key) != deadline and self._current.get(key) != deadline:
            self._current[key] = deadline
            self._remember(key, deadline)

    def due(self, now: int, limit: int) -> list[tuple[int, bytes]]:
        """Takes at most `limit` deadlines that are not later than `now`, earliest first."""
        self._open_until(now >> _BUCKET_BITS)
        taken: list[tuple[int, bytes]] = []
        near, current = self._near, self._current
        while near and near[0][0] <= now and len(taken) < limit:
            deadline, key = heappop(near)
            if current.get(key) == deadline:  # otherwise it was superseded
                del current[key]
                self._appended[key] = deadline
                taken.append((deadline, key))
        return taken

    def _remember(self, key: bytes, deadline: int) -> None:
        bucket = deadline >> _BUCKET_BITS
        if bucket <= self._opened:
            heappush(self._near, (deadline, key))
            return
        keys = self._far.get(bucket)
        if keys is None:
            keys = self._far[bucket] = []
            heappush(self._far_order, bucket)
        keys.append(key)
        self._far_entries += 1
        if self._far_entries > max(_SWEEP_FROM, 2 * len(self._current)):
            self._sweep()

    def _open_until(self, bucket: int) -> None:
        """Pours every bucket up to this one into the heap."""
        while self._far_order and self._far_order[0] <= bucket:
            number = heappop(self._far_order)
            keys = self._far.pop(number)
            self._far_entries -= len(keys)
            for key in keys:
                deadline = self._current.get(key)
                if deadline is not None and deadline >> _BUCKET_BITS == number:
                    heappush(self._near, (deadline, key))
        self._opened = max(self._opened, bucket)

    def _sweep(self) -> None:
        """Rebuilds the buckets from what is current: states that move their deadline often leave many behind."""
        self._far, self._near, self._far_entries = {}, [], 0
        for key, deadline in self._current.items():
            bucket = deadline >> _BUCKET_BITS
            if bucket <= self._opened:
                self._near.append((deadline, key))
            else:
                self._far.setdefault(bucket, []).append(key)
                self._far_entries += 1
        self._far_order = list(self._far)
        heapify(self._near)
        heapify(self._far_order)
