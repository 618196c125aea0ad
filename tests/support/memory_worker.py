"""A worker in memory: folds as the real one does, on the real batch folder, without Kafka.

    worker = MemoryWorker(processor)
    worker.feed(events)                       # append to the log and fold it
    worker.append(events); worker.run(sizes=[3, 1, 5], crash_after=17)   # raises Crashed after 17 durable writes
    worker.run()                              # what a restart does: the same records again, from the last commit
    worker.advance(now)                       # append a tick for every deadline that is due, and fold them

`MemoryCluster` is several of them, whose outputs come back as events where they are events.

Durability has the order of `stream_processors.runtime.worker`: outputs, states kind by kind, the commit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, repeat
from typing import Any, NamedTuple

import msgspec
from aiokafka.partitioner import murmur2

from schemas import codec, facts
from schemas.dead_letter import headers as dead_letter_headers
from schemas.events import Event
from schemas.topics import TOPIC_OF
from stream_processors.runtime.batch import BatchFolder, Overlay
from stream_processors.runtime.processor import Processor, State
from stream_processors.runtime.ticker import tick_for

#: What identifies a fact, as the docstrings in `schemas.facts` say; routing updates and events go by `event_id`.
IDS: dict[type, tuple[str, ...]] = {
    facts.TicketFact: ("ticket_id",),
    facts.ContactFact: ("event_id",),
    facts.AcknowledgementFact: ("event_id",),
    facts.TagFact: ("ticket_id", "tag"),
    facts.ClockFact: ("ticket_id", "episode", "clock", "instance", "transition", "sequence"),
    facts.TicketClocks: ("ticket_id",),
    facts.ClockShare: ("ticket_id", "episode", "clock", "team", "agent_id"),
    facts.SurveyFact: ("survey_id", "answer"),
    facts.AssignmentFact: ("event_id",),
    facts.PaneFact: ("partition", "part", "start", "channel", "team", "priority", "policy", "brand"),
    facts.PaneBucketFact: (
        *("partition", "part", "start", "channel", "team", "priority", "policy"),
        *("brand", "measure", "bucket"),
    ),
    facts.Outbound: ("outbound_id",),
    facts.DeliveryFact: ("outbound_id",),
    facts.InvitationFact: ("ticket_id", "episode"),
    facts.FollowUpFact: ("ticket_id", "episode"),
    facts.ResolutionFact: ("ticket_id", "episode"),
    facts.ConversationFact: ("event_id",),
    facts.RepeatFact: ("event_id", "tag"),
    facts.PromiseFact: ("ticket_id", "episode"),
    facts.OfferFact: ("offer_id",),
    facts.FollowerNotice: ("ticket_id", "episode", "agent_id", "outcome"),
    facts.SpikeFact: ("tag", "brand", "since"),
    facts.SuggestionFact: ("contact_id",),
    facts.PresenceFact: ("team", "agent_id", "since"),
    facts.MailReport: ("event_id",),
    facts.SuppressionFact: ("address_key",),
    facts.AutomationFact: ("firing_id",),
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
            self.append_raw(key.encode(), codec.encode(event))

    def append_raw(self, key: bytes, value: bytes) -> None:
        self.log.append(Record(len(self.log) * self.offset_step, key, value))

    def feed(self, events: Iterable[Event], sizes: Iterable[int] = ()) -> None:
        self.append(events)
        self.run(sizes)

    def run(self, sizes: Iterable[int] = (), crash_after: int | None = None, batches: int | None = None) -> None:
        """Fold what is not committed, in batches of these sizes (then of 500); at most so many batches."""
        self._writes_left = float("inf") if crash_after is None else crash_after
        for size in islice(chain(sizes, repeat(500)), batches):
            if self.committed >= len(self.log):
                return
            self._batch(self.log[self.committed : self.committed + size])
            self.committed += len(self.log[self.committed : self.committed + size])

    def advance(self, now: int) -> None:
        """Let time pass until `now`: ticks for what is due, and for what becomes due by them."""
        while ticks := self.ticks(now):
            self.append(ticks)
            self.run()

    def due_before(self, now: int) -> bool:
        """Whether any state has a deadline that no tick was appended for."""
        return bool(self._due(now, take=False))

    def ticks(self, now: int) -> list[Event]:
        """A tick for every deadline that is due, each once."""
        return [tick_for(key, deadline, now) for deadline, key in self._due(now)]

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
        dead_letters = []
        for key, output in folded.outputs:
            name = key if output.key is None else output.key.encode()
            self._durable()
            self.outputs.append(Written(TOPIC_OF[type(output.record)].name, name, codec.encode(output.record)))
        for failure in folded.failures:
            headers = dead_letter_headers.read(failure.headers)
            offset = int(headers["origin"].rsplit("/", 1)[1])
            dead_letters.append((offset, failure.stage, failure.reason, headers["error"]))
        self._persist(folded.states)
        self._durable()
        self.dead_letters += dead_letters

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

    def _due(self, now: int, *, take: bool = True) -> list[tuple[int, bytes]]:
        due = []
        for key, state in self.states():
            deadline = self.processor.deadline(key, state)
            if deadline is not None and deadline <= now and (key, deadline) not in self._ticked:
                if take:
                    self._ticked.add((key, deadline))
                due.append((deadline, key))
        return sorted(due)


def by_type(records: Iterable[msgspec.Struct]) -> dict[str, int]:
    """How many records of each kind."""
    counts: dict[str, int] = {}
    for record in records:
        counts[type(record).__name__] = counts.get(type(record).__name__, 0) + 1
    return counts


class MemoryCluster:
    """All the partitions of a topic, each with a worker; what they write back to the topic is appended to its logs.

    cluster = MemoryCluster(processor_of, partitions=3)
    cluster.append(events)
    cluster.step(partition=1, size=4, crash_after=7)   # one batch of one partition, or less
    cluster.settle()                                   # until nothing is left to fold
    cluster.advance(now)                               # as time passes: ticks, and what comes of them
    """

    def __init__(self, processor_of: Callable[[], Processor], partitions: int = 2, most_batches: int = 2000) -> None:
        self.workers = [MemoryWorker(processor_of(), partition) for partition in range(partitions)]
        self.most_batches = most_batches
        self._delivered = [0] * partitions

    def partition_of(self, key: bytes) -> int:
        return (murmur2(key) & 0x7FFFFFFF) % len(self.workers)

    def append(self, events: Iterable[Event]) -> None:
        for event in events:
            self.workers[self.partition_of(event.customer_tag.encode())].append([event])

    def step(self, partition: int, size: int = 500, crash_after: int | None = None) -> None:
        """Fold at most `size` records of one partition; a crash leaves them to be folded again."""
        worker = self.workers[partition]
        with contextlib.suppress(Crashed):
            worker.run([size], crash_after, batches=1)
        self._deliver(partition)

    def settle(self) -> None:
        """Fold everything, and what comes of it. Fails when that has no end."""
        for _ in range(self.most_batches):
            waiting = [worker.partition for worker in self.workers if worker.committed < len(worker.log)]
            if not waiting:
                return
            self.step(waiting[0])
        raise AssertionError(f"still something to fold after {self.most_batches} batches")

    def advance(self, now: int) -> None:
        """Let time pass until `now` in every partition."""
        self.settle()
        while ticks := [(worker, worker.ticks(now)) for worker in self.workers if worker.due_before(now)]:
            for worker, events in ticks:
                worker.append(events)
            self.settle()

    def records(self, *kinds: type) -> list[Any]:
        """As `MemoryWorker.records`, of one partition after the other."""
        return [record for worker in self.workers for record in worker.records(*kinds)]

    def states(self, prefix: bytes = b"") -> Iterator[tuple[bytes, Any]]:
        return chain.from_iterable(worker.states(prefix) for worker in self.workers)

    def state(self, key: bytes) -> Any | None:
        return self.workers[self.partition_of(key[1:])].state(key)

    def dead_letters(self) -> list[str]:
        """The reasons, in no particular order."""
        return [reason for worker in self.workers for _, _, reason, _ in worker.dead_letters]

    def _deliver(self, partition: int) -> None:
        worker = self.workers[partition]
        topic = worker.processor.topic.name
        for written in worker.outputs[self._delivered[partition] :]:
            if written.topic == topic:
                target = self.workers[self.partition_of(written.key or b"")]
                target.append_raw(written.key or b"", written.value)
        self._delivered[partition] = len(worker.outputs)
