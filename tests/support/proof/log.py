"""Reads, writes and records the log; takes the digests of it and of what it folds to."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from backports import zstd

from schemas import codec
from schemas.errors import CodecError
from schemas.events import CustomersMerged, Event, TicketAdopted
from stream_processors.runtime.state_codec import stored_offset
from tests.support.proof.fold import Batch, Partition, Record, processors, records_of

HERE = Path(__file__).parent
LOG, FACTS, STATES = HERE / "log.zst", HERE / "facts.json", HERE / "states.json"
HALVES = ("first half", "second half")
#: Events that carry a state → the field that it is in.
_CARRIERS = {codec.header(TicketAdopted): "ticket", codec.header(CustomersMerged): "known"}

#: Stored states by partition, as `tickets/0`.
Stores = dict[str, dict[bytes, bytes]]
#: Digests by what they are of, each as `COUNT HEX`.
Digests = dict[str, str]


class Log(NamedTuple):
    """The rules in force, and the records of each partition by name, as `tickets/0`."""

    rules: dict[str, bytes]
    records: dict[str, list[tuple[bytes, bytes]]]


class Digest:
    """A digest of items in their order, and how many they are."""

    def __init__(self, items: Iterable[Any] = ()) -> None:
        self._count, self._hash = 0, blake2b(digest_size=16)
        for item in items:
            self.add(item)

    def add(self, item: Any) -> None:
        self._count += 1
        self._hash.update(msgspec.msgpack.encode(item))

    def __str__(self) -> str:
        return f"{self._count} {self._hash.hexdigest()}"


def read(path: Path = LOG) -> Log:
    return msgspec.convert(unpack(path), Log)


def unpack(path: Path) -> Any:
    return msgspec.msgpack.decode(zstd.decompress(path.read_bytes()))


def pack(path: Path, content: Any) -> None:
    path.write_bytes(zstd.compress(msgspec.msgpack.encode(content), 19))


def log_digests(log: Log) -> Digests:
    """Returns the digest of each partition's records, and that of the rules."""
    return {"rules": str(Digest(sorted(log.rules.items())))} | {
        name: str(Digest((key, _without_state(value)) for key, value in records))
        for name, records in log.records.items()
    }


class Folded(NamedTuple):
    """What one half of the log folds to.

    facts   digests of outputs by partition and topic, and of dead letters, counts and deadlines by partition; without the
            states that a merge hands to another customer inside of an event
    states  digests of all states at its end, by partition and first byte of their keys, and of those handed over
    stores  these states, as stored
    """

    facts: Digests
    states: Digests
    stores: Stores


def fold(log: Log, half: str, stores: Mapping[str, Mapping[bytes, bytes]] | None = None) -> Folded:
    """Folds one half of every partition, beginning with the stored states at its beginning."""
    made = processors(log.rules)
    folded = Folded({}, {}, {})
    for name, records in log.records.items():
        processor, number = name.split("/")
        partition = Partition(made[processor], int(number), (stores or {}).get(name))
        batches = list(partition.fold(half_of(records_of(records), half)))
        folded.facts.update(_facts_of(name, partition, batches))
        folded.states.update(_states_of(name, partition, batches))
        folded.stores[name] = partition.states
    return folded


def half_of(records: list[Record], half: str) -> list[Record]:
    middle = len(records) // 2
    return records[:middle] if half == HALVES[0] else records[middle:]


def _handed_over(value: bytes) -> tuple[Event, str] | None:
    """Returns an event that carries a state, and the field that it is in; None for any other record."""
    if (field := _CARRIERS.get(value[: codec.HEADER_BYTES])) is None:
        return None
    try:
        return codec.decode(value), field
    except CodecError:
        return None


def _without_state(value: bytes) -> bytes:
    if (found := _handed_over(value)) is None:
        return value
    event, field = found
    return codec.encode(msgspec.structs.replace(event, **{field: b""}))


def _facts_of(name: str, partition: Partition, batches: list[Batch]) -> Digests:
    digests: dict[str, Digest] = defaultdict(Digest)
    counted: dict[tuple[str, tuple[str, ...]], list[float]] = defaultdict(list)
    for batch in batches:
        for topic, key, value in batch.outputs:
            digests[f"{name} {topic}"].add((key, _without_state(value)))
        for dead_letter in _dead_letters(batch):
            digests[f"{name} dead letters"].add(dead_letter)
        for deadline in _deadlines(partition, batch):
            digests[f"{name} deadlines"].add(deadline)
        for each in batch.counts:
            metric, labels, value = each.metric, each.labels, each.value
            # the recorded digests are of short names
            counted[metric.removeprefix("deskstream_").removesuffix("_total"), labels].append(value)
    for (metric, labels), values in sorted(counted.items()):
        digests[f"{name} counts"].add((metric, labels, len(values), math.fsum(values)))
    return {what: str(digest) for what, digest in sorted(digests.items())}


def _dead_letters(batch: Batch) -> Iterator[tuple[Any, ...]]:
    """Without stage and traceback, which name functions."""
    for failure in batch.failures:
        headers = dict(failure.headers)
        yield failure.key, failure.value, headers["origin"], failure.reason, headers["error"]


def _deadlines(partition: Partition, batch: Batch) -> Iterator[tuple[Any, ...]]:
    """Of all states that the batch wrote: last offset and deadline, which stand outside of a state's shape."""
    for key, value in sorted(batch.states.items()):
        due = None if value is None else partition.folder.codec.deadline(key, value)
        yield key, None if value is None else stored_offset(value), due


def _states_of(name: str, partition: Partition, batches: list[Batch]) -> Digests:
    """Of states as this build stores them: those that an older build stored are upgraded first."""
    states, digests = partition.folder.codec, defaultdict[str, Digest](Digest)
    for key, value in sorted(partition.states.items()):
        digests[f"{name} {key[:1].decode()}"].add((key, states.dump(key, states.load(key, value))))
    for value in (value for batch in batches for _, _, value in batch.outputs):
        if (found := _handed_over(value)) is not None and (state := getattr(*found)):
            digests[f"{name} handed over"].add(states.dump(b"c", states.load(b"c", state)))
    return {what: str(digest) for what, digest in sorted(digests.items())}
