"""Defines what the worker loop asks of an aggregate: the seam between pure folds and Kafka.

An aggregate (tickets, routing) is a `Processor`: it names its topic, decodes a record, and folds it into states
and outputs. It does no I/O, reads no clock and draws no random number: the same log gives the same bytes.

These values are made by the hundred for each contact, so they are structs (a fifth of a named tuple's price) that the
garbage collector does not track (`gc=False`: frozen values form no cycles).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Protocol, get_type_hints

import msgspec

from schemas.errors import Refused
from schemas.events import EVENTS, Event, Micros
from schemas.service_metrics import ServiceMetric
from schemas.topics import Topic
from stream_processors.runtime.gauges import StateGauges

#: No time of an event is from then on: 2200-01-01 UTC, in microseconds.
LATEST = 7_258_118_400_000_000
#: Kind of event → the fields that are times: two at least.
_TIMES: dict[type, tuple[str, ...]] = {
    kind: tuple(
        name for name, hint in get_type_hints(kind, include_extras=True).items() if hint in (Micros, Micros | None)
    )
    for kind in EVENTS
}
_READ_TIMES = {kind: attrgetter(*names) for kind, names in _TIMES.items()}
#: The upper limit of the setting `max_batch_records`: records this far apart never share a batch.
MOST_BATCH_RECORDS = 8192


class Position(msgspec.Struct, frozen=True, gc=False):
    """The position of a record in its topic."""

    partition: int
    offset: int


class Output(msgspec.Struct, frozen=True, gc=False):
    """A record to write. Its topic is `schemas.topics.TOPIC_OF[type(record)]`.

    `key` None: the key of the source record, and its partition (all topics keyed by customer tag have the same
    partition count). Otherwise the key decides the partition (murmur2, as every Kafka client does).
    """

    record: msgspec.Struct
    key: str | None = None


class Count(msgspec.Struct, frozen=True, gc=False):
    """An amount to add to a counter, or to observe in a histogram, once the record is durable."""

    metric: ServiceMetric
    labels: tuple[str, ...]
    value: float = 1.0


class State(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A value in a state table. `offset` is that of the last record folded into it; -1 before the first.

    A record whose offset is not above it was folded before a crash: it is not folded again, the state is only
    written again.
    """

    offset: int = -1


class Reader(Protocol):
    """Reads the states of one partition: the store, with the changes of this batch laid over it."""

    def get(self, key: bytes) -> Any | None:
        """Returns the decoded state, or None."""

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, Any]]:
        """Yields all states whose key starts with `prefix`, in key order. Do not change states while iterating."""


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """The result of folding one record. A state of None is deleted.

    A deletion becomes durable with the other states of its kind. So a derived state is deleted only when every record
    in it stands at least `MOST_BATCH_RECORDS` offsets back: after a crash it could not tell a refold of its own batch
    that it already held a record, and the record would be counted again in a new state.
    """

    states: Mapping[bytes, State | None]
    outputs: Sequence[Output] = ()
    skipped: bool = False
    counts: Sequence[Count] = ()


class Processor(Protocol):
    """Folds one aggregate.

    name      of the agent, its table and its metric label: `tickets`
    topic     where its events come from
    kinds     key prefix (one byte) → state class, *in the order in which they must become durable*: a derived state
              (a pane) before the state whose offset decides whether a record is folded again (the customer)
    gauges    keeps the gauges of its states; None: it has no gauges
    """

    name: str
    topic: Topic
    kinds: Mapping[bytes, type[State]]
    gauges: type[StateGauges] | None

    def process(self, event: Event, position: Position, read: Reader) -> Outcome:
        """Folds one event. Pure. Any exception sends the record to the dead-letter topic and changes nothing."""

    def deadline(self, key: bytes, state: Any) -> int | None:
        """Returns when (pipeline micros) a `Tick` for this state is next due; None for never or imported history."""


class StepFailed(Exception):
    """Raised when a named step failed; the cause is chained. `stage` is a bounded metric label."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        super().__init__(stage)


def require_event(record: Event) -> None:
    """Accepts an event whose times can be reckoned with; sums of others are no 64-bit integers, and would stop a worker.

    Raises:
        Refused: `not_an_event`, `bad_time`.
    """
    read = _READ_TIMES.get(type(record))
    if read is None:
        raise Refused("not_an_event", f"{type(record).__name__} is no event")
    for at in read(record):
        if at is not None and not 0 <= at < LATEST:
            name = next(each for each in _TIMES[type(record)] if getattr(record, each) == at)
            raise Refused("bad_time", f"{name} of {type(record).__name__} is {at}")
