"""A worker in memory: folds as the real one does, on the real batch folder, without Kafka.

    worker = MemoryWorker(processor)
    worker.feed(events)                       # append to the log and fold it
    worker.append(events); worker.run(sizes=[3, 1, 5], crash_after=17)   # raises Crashed after 17 durable writes
    worker.run()                              # what a restart does: the same records again, from the last commit
    worker.advance(now)                       # append a tick for every deadline that is due, and fold them

Durability has the order of `stream_processors.worker`: outputs, states kind by kind, the commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from typing import Any, NamedTuple

import msgspec

from schemas import codec, deadletter, facts
from schemas.events import Event, Tick
from schemas.identity import event_id
from schemas.topics import TOPIC_OF
from stream_processors.batch import BatchFolder, Overlay
from stream_processors.processor import Processor, State

#: What identifies a fact, as the docstrings in `schemas.facts` say; routing updates and events go by `event_id`.
IDS: dict[type, tuple[str, ...]] = {
    facts.TicketFact: ("ticket_id",),
    facts.ContactFact: ("event_id",),
    facts.AcknowledgementFact: ("event_id",),
    facts.TagFact: ("ticket_id", "tag"),
    facts.ClockFact: ("ticket_id", "episode", "clock", "instance", "transition", "sequence"),
    facts.SurveyFact: ("survey_id", "answer"),
    facts.AssignmentFact: ("event_id",),
    facts.PaneFact: ("partition", "part", "start", "channel", "team", "priority", "policy"),
    facts.Outbound: ("outbound_id",),
    facts.DeliveryFact: ("outbound_id",),
}


class Crashed(Exception):
    """The worker died; what was durable stays, everything else is gone."""


class Record(NamedTuple):
    offset: int
    key: bytes
    value: bytes


class Written(NamedTuple):
    """One record that the worker wrote: topic, key, encoded value."""

    topic: str
    key: bytes | None
    value: bytes


class MemoryWorker:
    """One partition of one processor. `offset_step` leaves room between offsets, as a busy partition would."""

    def __init__(self, processor: Processor, partition: int = 0, offset_step: int = 1) -> None:
        self.processor, self.partition, self.offset_step = processor, partition, offset_step
        self.folder = BatchFolder(processor, processor.topic.name, lambda: 0)
        self.log: list[Record] = []
        self.committed = 0
        self.store: dict[bytes, bytes] = {}
        self.outputs: list[Written] = []
        self.dead_letters: list[tuple[int, str, str, str]] = []
        self._writes_left: float = float("inf")
        self._ticked: set[tuple[bytes, int]] = set()

    # -- the log ------------------------------------------------------------------------------------------------

    def append(self, events: Iterable[Event]) -> None:
        for event in events:
            key = event.customer_tag or bytes(getattr(event, "state_key", b"")).decode("latin-1")
            self.log.append(Record(len(self.log) * self.offset_step, key.encode(), codec.encode(event)))

    def feed(self, events: Iterable[Event], sizes: Iterable[int] = ()) -> None:
        self.append(events)
        self.run(sizes)

    def run(self, sizes: Iterable[int] = (), crash_after: int | None = None) -> None:
        """Fold what is not committed, in batches of these sizes (then of 500)."""
        self._writes_left = float("inf") if crash_after is None else crash_after
        for size in chain(sizes, repeat(500)):
            if self.committed >= len(self.log):
                return
            self._batch(self.log[self.committed : self.committed + size])
            self.committed += len(self.log[self.committed : self.committed + size])

    def advance(self, now: int) -> None:
        """Let time pass until `now`: ticks for what is due, and for what becomes due by them."""
        while due := self._due(now):
            self.append(self._tick(key, deadline, now) for deadline, key in due)
            self.run()

    # -- what came of it ----------------------------------------------------------------------------------------

    def records(self, *kinds: type) -> list[Any]:
        """All decoded outputs of these kinds, or all, in the order in which they were written."""
        decoded = [codec.decode(written.value) for written in self.outputs]
        return [record for record in decoded if not kinds or isinstance(record, kinds)]

    def facts(self) -> dict[tuple[Any, ...], bytes]:
        """Outputs by identity, the highest version of each; what was written twice must be the same bytes."""
        found: dict[tuple[Any, ...], tuple[int, bytes]] = {}
        for written in self.outputs:
            record = codec.decode(written.value)
            fields = IDS.get(type(record), ("event_id", "customer_tag"))
            identity = (type(record).__name__, *(getattr(record, name) for name in fields))
            version = getattr(record, "version", 0)
            known = found.get(identity)
            if known is not None and known[0] == version:
                assert known[1] == written.value, f"{identity} was written differently at version {version}"
            if known is None or version >= known[0]:
                found[identity] = version, written.value
        return {identity: value for identity, (_, value) in found.items()}

    def state(self, key: bytes) -> Any | None:
        value = self.store.get(key)
        return None if value is None else self.folder.codec.load(key, value)

    def states(self, prefix: bytes = b"") -> Iterator[tuple[bytes, Any]]:
        for key in sorted(self.store):
            if key.startswith(prefix):
                yield key, self.folder.codec.load(key, self.store[key])

    # -- one batch ----------------------------------------------------------------------------------------------

    def _batch(self, records: Sequence[Record]) -> None:
        overlay = Overlay(self.folder.codec, self.store.get, self._scan)
        folded = self.folder.fold(self.partition, records, overlay)
        letters = []
        for key, output in folded.outputs:
            name = key if output.key is None else output.key.encode()
            self._durable()
            self.outputs.append(Written(TOPIC_OF[type(output.record)].name, name, codec.encode(output.record)))
        for failure in folded.failures:
            headers = deadletter.read(failure.headers)
            offset = int(headers["origin"].rsplit("/", 1)[1])
            letters.append((offset, failure.stage, failure.reason, headers["error"]))
        self._persist(folded.states)
        self._durable()
        self.dead_letters += letters

    def _persist(self, states: dict[bytes, State | None]) -> None:
        for prefix in self.processor.kinds:
            for key, state in states.items():
                if key[:1] != prefix:
                    continue
                self._durable()
                if state is None:
                    self.store.pop(key, None)
                else:
                    self.store[key] = self.folder.codec.dump(key, state)

    def _durable(self) -> None:
        if self._writes_left <= 0:
            raise Crashed
        self._writes_left -= 1

    def _scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return ((key, self.store[key]) for key in sorted(self.store) if key.startswith(prefix))

    # -- time ---------------------------------------------------------------------------------------------------

    def _due(self, now: int) -> list[tuple[int, bytes]]:
        due = []
        for key, state in self.states():
            deadline = self.processor.deadline(key, state)
            if deadline is not None and deadline <= now and (key, deadline) not in self._ticked:
                self._ticked.add((key, deadline))
                due.append((deadline, key))
        return sorted(due)

    @staticmethod
    def _tick(key: bytes, deadline: int, now: int) -> Tick:
        return Tick(
            event_id=event_id("tick", key, str(deadline)),
            occurred_at=deadline,
            received_at=now,
            customer_tag=key[1:].decode() if key[:1] == b"c" else "",
            source="worker",
            state_key=key,
        )


def by_type(records: Iterable[msgspec.Struct]) -> dict[str, int]:
    """How many records of each kind."""
    counts: dict[str, int] = {}
    for record in records:
        counts[type(record).__name__] = counts.get(type(record).__name__, 0) + 1
    return counts
