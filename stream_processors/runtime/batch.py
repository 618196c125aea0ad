"""Folds one partition batch: records in, states and outputs out. Pure but for the reads of the store.

A record that fails (undecodable, refused, a defect in one step) becomes a dead letter with its stage and traceback
and leaves no trace in the states; its neighbours go on. A refusal is an answer to the record, which strangers can
provoke at will; only the other failures speak against this build.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from schemas import codec
from schemas.dead_letter import writer
from schemas.dead_letter.headers import Headers
from schemas.errors import CodecError, Refused, StateFromTheFuture
from stream_processors.runtime.processor import Count, Output, Position, Processor, State, StepFailed
from stream_processors.runtime.state_codec import StateCodec, stored_offset

#: The stage of a record whose bytes are none of ours.
DECODE = "decode"
#: So many new keys of a kind are put into their places one by one; more are sorted with all others.
_INSERTED_MOST = 64


class Failure(NamedTuple):
    """A record that could not be folded, ready for the dead-letter topic. `refused`: nothing is wrong with this build."""

    key: bytes | None
    value: bytes
    headers: Headers
    stage: str
    reason: str
    refused: bool = False

    @property
    def kind(self) -> str:
        """Returns what it is as a metric label: refused, undecodable or defect."""
        return "refused" if self.refused else "undecodable" if self.stage == DECODE else "defect"


class Folded(NamedTuple):
    """The result of a partition batch. Deleted states have the value None; `before` are the states that it found.

    `longest_defect_run` counts failures one after another; a refused record neither counts nor ends a run.
    """

    states: dict[bytes, State | None]
    outputs: list[tuple[bytes | None, Output]]
    failures: list[Failure]
    folded: int
    skipped: int
    longest_defect_run: int
    before: dict[bytes, State | None]
    counts: list[Count]


class Overlay:
    """The states of one partition as this batch sees them: the store with the batch's own changes laid over it."""

    __slots__ = ("_codec", "_get", "_scan", "_sorted", "_sorted_count", "changed", "found")

    def __init__(
        self,
        codec: StateCodec,
        get: Callable[[bytes], bytes | None],
        scan: Callable[[bytes], Iterator[tuple[bytes, bytes]]],
    ) -> None:
        self._codec, self._get, self._scan = codec, get, scan
        self.changed: dict[bytes, State | None] = {}
        self.found: dict[bytes, State | None] = {}
        self._sorted: dict[int, list[bytes]] = {}
        self._sorted_count = 0

    def get(self, key: bytes) -> Any | None:
        """Returns the decoded state, or None (as a `Reader`)."""
        if key in self.changed:
            return self.changed[key]
        stored = self._get(key)
        state = self.found[key] = None if stored is None else self._codec.load(key, stored)
        return state

    def offset_at(self, key: bytes) -> int | None:
        """Returns the offset of a state without decoding it, or None."""
        if key in self.changed:
            state = self.changed[key]
            return None if state is None else state.offset
        stored = self._get(key)
        return None if stored is None else stored_offset(stored)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, Any]]:
        """Yields all states whose key starts with `prefix`, in key order (as a `Reader`)."""
        changed = self._changed_with(prefix)
        position = 0
        for key, value in self._scan(prefix):
            while position < len(changed) and changed[position] < key:
                if (state := self.changed[changed[position]]) is not None:
                    yield changed[position], state
                position += 1
            if position < len(changed) and changed[position] == key:
                continue  # the batch's own version comes in the next turn, or after the loop
            yield key, self._codec.load(key, value)
        for key in changed[position:]:
            if (state := self.changed[key]) is not None:
                yield key, state

    def _changed_with(self, prefix: bytes) -> list[bytes]:
        """Returns the changed keys that start with `prefix`, in order. Those of a kind that nobody scans are never sorted."""
        kind = prefix[0]
        if kind not in self._sorted:
            self._sorted[kind] = sorted(key for key in islice(self.changed, self._sorted_count) if key[0] == kind)
        self._sort_added()
        ordered = self._sorted[kind]
        first = place = bisect_left(ordered, prefix)
        while place < len(ordered) and ordered[place].startswith(prefix):
            place += 1
        return ordered[first:place]

    def _sort_added(self) -> None:
        """Puts the keys into their places that came since the last scan. Keys only ever come: their number says if some did."""
        added = len(self.changed) - self._sorted_count
        if not added:
            return
        self._sorted_count += added
        for kind, ordered in self._sorted.items():
            came = [key for key in islice(reversed(self.changed), added) if key[0] == kind]
            if len(came) < _INSERTED_MOST:
                for key in came:
                    insort(ordered, key)
            else:
                ordered += came
                ordered.sort()


class BatchFolder:
    """Folds the batches of one processor. `source_topic` is the topic's name in this deployment."""

    def __init__(self, processor: Processor, source_topic: str, now: Callable[[], int]) -> None:
        self.processor, self.source_topic, self._now = processor, source_topic, now
        self.codec = StateCodec(processor.kinds, processor.deadline)

    def fold(self, partition: int, records: Sequence[Any], overlay: Overlay) -> Folded:
        """Folds records (with `.offset .key .value`) in order. Raises nothing for a bad record.

        Raises:
            StateFromTheFuture: a newer build wrote a state that a record needs; perhaps as the cause of a `StepFailed`.
        """
        steps = self.folding(partition, records, overlay)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]

    def folding(
        self, partition: int, records: Sequence[Any], overlay: Overlay
    ) -> Generator[list[tuple[bytes | None, Output]], None, Folded]:
        """Folds as `fold` does; yields the outputs so far after each record, so that an event loop can do something else."""
        outputs: list[tuple[bytes | None, Output]] = []
        failures: list[Failure] = []
        counts: list[Count] = []
        folded = skipped = run = longest = 0
        process, decode = self.processor.process, codec.decode
        for record in records:
            if record.value is None:  # the tombstone of an erasure: the record that it ends was folded long ago
                continue
            try:
                outcome = process(decode(record.value), Position(partition, record.offset), overlay)
            except Exception as error:
                if StateFromTheFuture in (type(error), type(error.__cause__)):
                    raise  # nothing is wrong with the record: it is this build that must not touch the state
                failures.append(failure := self._failure(partition, record, error))
                if not failure.refused:
                    run += 1
                    longest = max(longest, run)
                continue
            run = 0
            overlay.changed.update(outcome.states)
            if outcome.skipped:
                skipped += 1
            else:
                folded += 1
                if outcome.outputs:
                    key = record.key
                    outputs += [(key, output) for output in outcome.outputs]
                if outcome.counts:
                    counts += outcome.counts
            yield outputs
        return Folded(overlay.changed, outputs, failures, folded, skipped, longest, overlay.found, counts)

    def _failure(self, partition: int, record: Any, error: Exception) -> Failure:
        stage, reason, cause = classify(error)
        position = self.source_topic, partition, record.offset
        written = writer.of_record(
            record.key, record.value, position, cause, reason=reason, stage=stage, at=self._now()
        )
        return Failure(*written, stage, reason, isinstance(cause, Refused))


def classify(error: BaseException) -> tuple[str, str, BaseException]:
    """Returns `(stage, reason, cause)` of a failure, with bounded words for stage and reason."""
    if isinstance(error, StepFailed):
        cause = error.__cause__ or error
        return error.stage, cause.reason if isinstance(cause, Refused) else "defect", cause
    if isinstance(error, CodecError):
        return DECODE, error.reason, error
    if isinstance(error, Refused):
        return "fold", error.reason, error
    return "fold", "defect", error
