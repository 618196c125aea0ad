"""followed: figures of how the states of one partition stand at this moment, kept up to date by what changes.

Each change of a state takes away what the old state stood for and adds what the new one stands for: the work grows
with the change, never with the number of states. The whole can be read again from the states, in key order and in
slices, while changes go on: what lies behind the cursor is counted, what lies before it will be.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

__all__ = ["Counts", "Figures", "Labels", "Sample", "add"]

Labels = tuple[str, ...]
Counts = dict[Labels, int]
#: A gauge by its name in `figures`, and its values now.
Sample = tuple[str, dict[Labels, float]]


class Figures(ABC):
    """The figures of one partition. `cursor` is the last key that was read again, None when all were.

    prefixes  the first bytes of the keys whose states are counted, in order
    ready     the gauge that says of each partition whether all states were read; '' for none
    """

    prefixes: ClassVar[bytes]
    ready: ClassVar[str] = ""

    def __init__(self) -> None:
        self.cursor: bytes | None = b""

    def read(self, key: bytes, state: Any) -> None:
        """Count a state that is read again. Keys come in order."""
        self._change(key, None, state)
        self.cursor = key

    def finish(self) -> None:
        """All states were read."""
        self.cursor = None

    def changed(self, key: bytes, before: Any | None, after: Any | None) -> None:
        """Count what a durable change came to, unless the state is still to be read."""
        if key[0] in self.prefixes and (self.cursor is None or key <= self.cursor):
            self._change(key, before, after)

    @classmethod
    @abstractmethod
    def samples(cls, partitions: Sequence[Self], now: int) -> list[Sample]:
        """What the gauges show of these partitions together, at `now` (micros)."""

    @abstractmethod
    def _change(self, key: bytes, before: Any | None, after: Any | None) -> None:
        """Take away what a state stood for, and add what it stands for now."""


def add(counts: Counts, labels: Labels, step: int) -> None:
    """Change one count; those of zero are left out."""
    count = counts.get(labels, 0) + step
    if count:
        counts[labels] = count
    else:
        del counts[labels]
