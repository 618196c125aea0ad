"""Gauges of the states of one partition, kept up to date by the changes of those states.

Each change takes away what the old state counted for and adds what the new one counts for: the work grows with the
change, never with the number of states. After an assignment all states are read, in key order and in slices, while
changes go on. A change behind the cursor counts at once; a state ahead of the cursor counts when it is read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from schemas.service_metrics import ServiceMetric

__all__ = ["Counts", "Labels", "Sample", "StateGauges", "change"]

Labels = tuple[str, ...]
Counts = dict[Labels, int]
#: A gauge and its values now.
Sample = tuple[ServiceMetric, dict[Labels, float]]


class StateGauges(ABC):
    """Keeps the gauges of one partition.

    cursor    the last key that was read; None when all states were
    prefixes  the first bytes of the keys whose states count, in order
    ready     the gauge that is 1 for a partition whose states were all read; None: there is no such gauge
    """

    prefixes: ClassVar[bytes]
    ready: ClassVar[ServiceMetric | None] = None

    def __init__(self) -> None:
        self.cursor: bytes | None = b""

    def read(self, key: bytes, state: Any) -> None:
        """Counts a state that is read after an assignment. Keys come in order."""
        self._change(key, None, state)
        self.cursor = key

    def finish(self) -> None:
        """Marks the partition as read to its end."""
        self.cursor = None

    def changed(self, key: bytes, before: Any | None, after: Any | None) -> None:
        """Counts a durable change, unless the state is still to be read."""
        if key[0] in self.prefixes and (self.cursor is None or key <= self.cursor):
            self._change(key, before, after)

    @classmethod
    @abstractmethod
    def samples(cls, partitions: Sequence[Self], now: int) -> list[Sample]:
        """Returns the values of all gauges over these partitions together, at `now` (pipeline micros)."""

    @abstractmethod
    def _change(self, key: bytes, before: Any | None, after: Any | None) -> None:
        """Takes away what a state counted for, and adds what it counts for now."""


def change(counts: Counts, labels: Labels, step: int) -> None:
    """Adds `step` to one count; a count of zero is left out."""
    count = counts.get(labels, 0) + step
    if count:
        counts[labels] = count
    else:
        del counts[labels]
