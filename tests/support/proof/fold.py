"""Folds a log without Kafka: the real batch folder, states as stored in a dict, outputs encoded as on the wire."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from schemas import codec
from schemas.topics import TOPIC_OF
from stream_processors.routing.processor import RoutingProcessor
from stream_processors.rules.ruleset import of_files
from stream_processors.rules.surveys import Signing
from stream_processors.runtime.batch import BatchFolder, Failure, Overlay
from stream_processors.runtime.processor import Count, Processor
from stream_processors.tickets.processor import TicketsProcessor

BATCH_RECORDS = 500


class Record(NamedTuple):
    """One record of a log."""

    offset: int
    key: bytes
    value: bytes


class Batch(NamedTuple):
    """The result of one batch: outputs as `(topic, key, value)`, and stored states (None for a deleted one)."""

    outputs: list[tuple[str, bytes | None, bytes]]
    states: dict[bytes, bytes | None]
    failures: list[Failure]
    counts: list[Count]


def processors(files: Mapping[str, bytes]) -> dict[str, Processor]:
    """Returns both processors by name, under these rules."""
    signing = Signing("https://shop.example", ("secret",))
    made = TicketsProcessor(of_files(files, "support.example"), signing=signing), RoutingProcessor()
    return {processor.name: processor for processor in made}


class Partition:
    """One partition of one processor, beginning with these stored states."""

    def __init__(self, processor: Processor, number: int, states: Mapping[bytes, bytes] | None = None) -> None:
        self.number, self.states = number, dict(states or {})
        self.folder = BatchFolder(processor, processor.topic.name, lambda: 0)
        self._keys: list[bytes] | None = None

    def fold(self, records: Sequence[Record]) -> Iterator[Batch]:
        for start in range(0, len(records), BATCH_RECORDS):
            yield self._batch(records[start : start + BATCH_RECORDS])

    def _batch(self, records: Sequence[Record]) -> Batch:
        dump, encode = self.folder.codec.dump, codec.encode
        folded = self.folder.fold(self.number, records, Overlay(self.folder.codec, self.states.get, self._scan))
        outputs = [
            (TOPIC_OF[type(out.record)].name, source_key if out.key is None else out.key.encode(), encode(out.record))
            for source_key, out in folded.outputs
        ]
        states = {key: None if state is None else dump(key, state) for key, state in folded.states.items()}
        self._write(states)
        return Batch(outputs, states, folded.failures, folded.counts)

    def _scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        if self._keys is None:  # only routing scans: the keys of tickets need not be sorted
            self._keys = sorted(self.states)
        for place in range(bisect_left(self._keys, prefix), len(self._keys)):
            if not (key := self._keys[place]).startswith(prefix):
                return
            yield key, self.states[key]

    def _write(self, states: Mapping[bytes, bytes | None]) -> None:
        for key, value in states.items():
            if value is None:
                if self.states.pop(key, None) is not None and self._keys is not None:
                    del self._keys[bisect_left(self._keys, key)]
                continue
            if self._keys is not None and key not in self.states:
                insort(self._keys, key)
            self.states[key] = value


def records_of(pairs: Iterable[Sequence[Any]]) -> list[Record]:
    """Returns the records of a partition, numbered from 0."""
    return [Record(offset, key, value) for offset, (key, value) in enumerate(pairs)]
