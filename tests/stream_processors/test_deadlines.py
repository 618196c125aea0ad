from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream_processors.deadlines import Deadlines


def test_due_deadlines_come_earliest_first_and_only_once() -> None:
    deadlines = Deadlines()
    deadlines.set(b"a", 30)
    deadlines.set(b"b", 10)
    deadlines.set(b"c", 20)
    assert deadlines.due(25, limit=10) == [(10, b"b"), (20, b"c")]
    assert deadlines.due(25, limit=10) == []
    assert deadlines.next() == 30


def test_a_moved_deadline_replaces_the_earlier_one() -> None:
    deadlines = Deadlines()
    deadlines.set(b"a", 10)
    deadlines.set(b"a", 40)
    assert deadlines.due(39, limit=10) == []
    assert deadlines.due(40, limit=10) == [(40, b"a")]


def test_a_state_without_a_deadline_is_forgotten() -> None:
    deadlines = Deadlines()
    deadlines.set(b"a", 10)
    deadlines.set(b"a", None)
    assert deadlines.next() is None
    assert len(deadlines) == 0


def test_a_state_written_again_before_its_tick_is_folded_gets_no_second_tick() -> None:
    deadlines = Deadlines()
    deadlines.set(b"a", 10)
    deadlines.due(10, limit=1)
    deadlines.set(b"a", 10)
    assert deadlines.due(99, limit=1) == []
    deadlines.set(b"a", 50)
    assert deadlines.due(99, limit=1) == [(50, b"a")]


def test_deadlines_that_could_not_be_appended_are_due_again() -> None:
    deadlines = Deadlines()
    deadlines.set(b"a", 10)
    deadlines.put_back(deadlines.due(10, limit=1))
    assert deadlines.due(10, limit=1) == [(10, b"a")]


@given(
    st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c", b"d"]), st.none() | st.integers(0, 50))), st.integers(0, 60)
)
def test_what_is_due_is_what_a_plain_dictionary_says(changes: list[tuple[bytes, int | None]], now: int) -> None:
    deadlines, plain = Deadlines(), {}
    for key, deadline in changes:
        deadlines.set(key, deadline)
        plain[key] = deadline
    expected = sorted((deadline, key) for key, deadline in plain.items() if deadline is not None and deadline <= now)
    assert deadlines.due(now, limit=100) == expected
