"""Folding a batch: a bad record becomes a dead letter and leaves its neighbours and the states alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import codec
from schemas.dead_letter import headers
from schemas.errors import Refused, StateFromTheFuture
from schemas.events import NoteAdded
from schemas.topics import CONTACT_EVENTS
from stream_processors.runtime.batch import BatchFolder, Folded, Overlay
from stream_processors.runtime.processor import Outcome, Output, State, StepFailed
from stream_processors.runtime.state_codec import StateCodec, stored_offset


class Count(State, frozen=True, kw_only=True, array_like=True):
    n: int = 0


class Counting:
    """Counts notes per customer; `text` says how to fail."""

    name = "counting"
    gauges = None
    topic = CONTACT_EVENTS
    kinds: ClassVar[Mapping[bytes, type[State]]] = {b"c": Count}

    def process(self, event: Any, position: Any, read: Any) -> Outcome:
        key = b"c" + event.customer_tag.encode()
        state = read.get(key) or Count()
        if event.text == "refuse":
            raise Refused("unknown_ticket", "there is none")
        if event.text == "refuse in a step":
            raise StepFailed("thread") from Refused("unknown_ticket", "there is none")
        if event.text == "defect":
            try:
                raise ZeroDivisionError("a defect in one step")
            except ZeroDivisionError as error:
                raise StepFailed("tag") from error
        changed = msgspec.structs.replace(state, n=state.n + 1, offset=position.offset)
        return Outcome({key: changed}, (Output(event),))

    def deadline(self, key: bytes, state: Any) -> int | None:
        return None


class Record(NamedTuple):
    offset: int
    key: bytes | None
    value: bytes | None


def note(text: str, tag: str = "A") -> bytes:
    return codec.encode(
        NoteAdded(
            event_id=text, occurred_at=1, received_at=1, customer_tag=tag, ticket_id=f"{tag}-1", agent_id="x", text=text
        )
    )


def fold(values: list[bytes | None]) -> Folded:
    folder = BatchFolder(Counting(), "contact-events", lambda: 99)
    overlay = Overlay(folder.codec, lambda key: None, lambda prefix: iter(()))
    return folder.fold(2, [Record(100 + number, b"A", value) for number, value in enumerate(values)], overlay)


@pytest.mark.parametrize(
    ("bad", "stage", "reason"),
    [
        (b"", "decode", "not_single_object"),
        (b"hello", "decode", "not_single_object"),
        (b"\xc3\x01" + b"\x00" * 12, "decode", "unknown_fingerprint"),
        (note("x")[:-3], "decode", "broken_body"),
        (note("x") + b"\x00", "decode", "broken_body"),
        (note("refuse"), "fold", "unknown_ticket"),
        (note("defect"), "tag", "defect"),
    ],
)
def test_a_bad_record_is_dead_lettered_and_its_neighbours_go_on(bad: bytes, stage: str, reason: str) -> None:
    folded = fold([note("one"), bad, note("two")])
    (failure,) = folded.failures
    story = headers.read(failure.headers)
    assert (failure.stage, failure.reason, failure.value) == (stage, reason, bad)
    assert story["origin"] == "contact-events/2/101"
    assert story["replay-topic"] == "contact-events"
    assert story["traceback"]
    assert folded.states == {b"cA": Count(n=2, offset=102)}
    assert [output.record.text for _, output in folded.outputs] == ["one", "two"]


def test_the_tombstone_of_an_erasure_is_passed_over() -> None:
    folded = fold([note("one"), None, note("two")])
    assert folded.failures == []
    assert folded.states == {b"cA": Count(n=2, offset=102)}


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (b"hello", "undecodable"),
        (note("refuse"), "refused"),
        (note("refuse in a step"), "refused"),
        (note("defect"), "defect"),
    ],
)
def test_a_dead_letter_says_if_it_is_a_refusal_or_a_defect(bad: bytes, kind: str) -> None:
    (failure,) = fold([bad]).failures
    assert failure.kind == kind


def test_the_longest_run_of_defects_is_counted() -> None:
    bad = note("defect")
    assert fold([bad, note("a"), bad, b"hello", bad, note("b"), bad]).longest_defect_run == 3


def test_a_refusal_neither_lengthens_nor_ends_a_run_of_defects() -> None:
    bad, refused = note("defect"), note("refuse")
    folded = fold([refused, refused, bad, refused, bad, refused, note("a"), refused])
    assert folded.longest_defect_run == 2
    assert [failure.refused for failure in folded.failures] == [True, True, False, True, False, True, True]


def test_a_refusal_by_a_step_is_a_refusal() -> None:
    (failure,) = fold([note("refuse in a step")]).failures
    assert (failure.stage, failure.reason, failure.refused) == ("thread", "unknown_ticket", True)


def test_a_state_from_a_newer_build_is_refused_clearly() -> None:
    codec_ = StateCodec({b"c": Count})
    stored = codec_.dump(b"cA", Count(n=1, offset=5))
    assert stored_offset(stored) == 5
    with pytest.raises(StateFromTheFuture, match="reads up to 1"):
        codec_.load(b"cA", b"\x09" + stored[1:])


def test_a_record_that_meets_a_state_from_a_newer_build_is_no_dead_letter() -> None:
    stored = StateCodec({b"c": Count}).dump(b"cA", Count(n=1, offset=5))
    future = {b"cA": b"\x89" + stored[1:]}
    folder = BatchFolder(Counting(), "contact-events", lambda: 0)
    overlay = Overlay(folder.codec, future.get, lambda prefix: iter(()))
    with pytest.raises(StateFromTheFuture, match="deploy the newer build"):
        folder.fold(2, [Record(6, b"A", note("one"))], overlay)


def test_the_deadline_stands_before_the_body_of_a_state() -> None:
    codec_ = StateCodec({b"c": Count}, lambda key, state: 100 + state.n if state.n else None)
    stored = codec_.dump(b"cA", Count(n=7, offset=5))
    assert codec_.load(b"cA", stored) == Count(n=7, offset=5)
    assert codec_.deadline(b"cA", stored[:17] + b"not even a body") == 107
    assert codec_.deadline(b"cA", codec_.dump(b"cA", Count(n=0, offset=5))) is None
    old = bytes([1]) + stored[1:9] + stored[17:]  # as it was written before there were deadlines
    assert (codec_.load(b"cA", old), stored_offset(old)) == (Count(n=7, offset=5), 5)
    assert codec_.deadline(b"cA", old) == 107


keys = st.binary(min_size=0, max_size=2).map(lambda rest: b"c" + rest)


@given(
    stored=st.dictionaries(keys, st.integers(0, 9)),
    changed=st.dictionaries(keys, st.none() | st.integers(0, 9)),
    prefix=keys,
)
def test_a_scan_sees_the_store_with_the_changes_of_the_batch_laid_over_it(
    stored: dict[bytes, int], changed: dict[bytes, int | None], prefix: bytes
) -> None:
    codec_ = StateCodec({b"c": Count})

    def scan(wanted: bytes) -> Iterator[tuple[bytes, bytes]]:
        return ((key, codec_.dump(key, Count(n=stored[key]))) for key in sorted(stored) if key.startswith(wanted))

    overlay = Overlay(codec_, lambda key: None, scan)
    overlay.changed = {key: None if value is None else Count(n=value) for key, value in changed.items()}
    merged: dict[bytes, int | None] = {**stored, **changed}
    expected = [(key, merged[key]) for key in sorted(merged) if key.startswith(prefix) and merged[key] is not None]
    assert [(key, state.n) for key, state in overlay.scan(prefix)] == expected
