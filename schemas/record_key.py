"""Makes the keys of Kafka records: a name that chooses the partition, and a part that no other record has.

    ABCDEFGHIJKL#q3v9k2x71f

The name is a customer tag, a team, or whatever the topic is keyed by (`schemas/topics.py`). Kafka's compaction keeps the newest
record of each key. Since no two records share one, it removes nothing, until an erasure writes a tombstone for each record
of a customer (ADR 52). Records of earlier builds have the bare name as key.
"""

from __future__ import annotations

import base64
import itertools
import os
from functools import lru_cache
from typing import Any

from aiokafka.partitioner import DefaultPartitioner, murmur2
from kafka.partitioner import Partitioner
from kafka.partitioner.default import DefaultPartitioner as KafkaDefault

__all__ = ["BY_NAME", "SEPARATOR", "is_unique", "name_of", "partition_of", "record_key"]

SEPARATOR = b"#"
_ANY = DefaultPartitioner()


class _Unique:
    """Holds what the keys of this process begin their unique part with, and how many it has made."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begins anew, as a forked process must: it would go on where its parent does."""
        self.prefix = SEPARATOR + base64.b32encode(os.urandom(5)).lower()
        self.count = itertools.count()


_unique = _Unique()
os.register_at_fork(after_in_child=_unique.renew)


def record_key(name: bytes) -> bytes:
    """Returns a key that no other record has, in the partition of `name`; two calls never return the same."""
    return b"%b%b%x" % (name, _unique.prefix, next(_unique.count))


def name_of(key: bytes | None) -> bytes:
    """Returns the name in a key; the key itself where it is a bare name, b"" for none."""
    if key is None:
        return b""
    name, separator, _ = key.rpartition(SEPARATOR)
    return name if separator else key


def is_unique(key: bytes | None) -> bool:
    """Returns true for a key that `record_key` made, false for the bare name of an earlier build."""
    return key is not None and SEPARATOR in key


@lru_cache(maxsize=4096)
def partition_of(name: bytes, partitions: int) -> int:
    """Returns the partition that Kafka clients choose for the key `name`. murmur2 in Python takes 5 µs, and names recur."""
    return int(murmur2(name) & 0x7FFFFFFF) % partitions


class _ByName(Partitioner):  # type: ignore[misc]
    """Chooses the partition by the name in a key, any for none; for the producers of both Kafka libraries."""

    def __call__(self, key: bytes | None, every: list[int], available: list[int]) -> int:
        """Returns the partition, as aiokafka asks."""
        if not (name := name_of(key)):
            return int(_ANY(None, every, available))
        return every[partition_of(name, len(every))]

    def partition(
        self, topic: str, key: Any, serialized_key: bytes | None, value: Any, serialized_value: Any, cluster: Any
    ) -> int:
        """Returns the partition, as kafka-python asks."""
        name = name_of(serialized_key) or None
        return int(KafkaDefault().partition(topic, key, name, value, serialized_value, cluster))


BY_NAME = _ByName()
