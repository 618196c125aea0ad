"""Collects records between two inserts, by their ten-byte header, with the offsets to commit."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Protocol

from schemas.codec import HEADER_BYTES


class Record(Protocol):
    """The fields of a Kafka record that the sinks use."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


class Batch:
    """Holds records of several partitions that are inserted together, at most one insert per record kind.

    groups    ten-byte header → the records that start with it, in log order
    ranges    (topic, partition) → [first offset, last offset]
    """

    __slots__ = ("groups", "ranges", "rows")

    def __init__(self) -> None:
        self.groups: dict[bytes, list[Any]] = {}
        self.ranges: dict[Any, list[int]] = {}
        self.rows = 0

    def add(self, partition: Any, records: Sequence[Record]) -> None:
        """Adds records of one partition, in order. `partition` is a (topic, partition) tuple."""
        groups = self.groups
        for record in records:
            if record.value is None:  # the tombstone of an erasure
                continue
            head = record.value[:HEADER_BYTES]
            if head in groups:
                groups[head].append(record)
            else:
                groups[head] = [record]
        first, last = records[0].offset, records[-1].offset
        known = self.ranges.get(partition)
        self.ranges[partition] = [min(known[0], first), max(known[1], last)] if known else [first, last]
        self.rows += len(records)

    def commits(self) -> dict[Any, int]:
        """(topic, partition) → the offset to continue from once all of this is durable."""
        return {partition: last + 1 for partition, (_, last) in self.ranges.items()}


def token(table: str, records: Sequence[Record]) -> str:
    """Returns the deduplication token of one insert: the table and the offset range of each partition in it.

    The same records give the same token, so an insert that is tried again after an answer got lost is one insert.
    """
    ranges: dict[tuple[str, int], list[int]] = {}
    for record in records:
        found = ranges.setdefault((record.topic, record.partition), [record.offset, record.offset, 0])
        found[1] = record.offset
        found[2] += 1
    text = ";".join(f"{t}/{p}:{first}-{last}#{count}" for (t, p), (first, last, count) in sorted(ranges.items()))
    return f"{table}:{text}" if len(text) < 200 else f"{table}:{blake2b(text.encode(), digest_size=16).hexdigest()}"
