from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream_processors.runtime.timers import Timers


def test_due_deadlines_come_earliest_first_and_only_once() -> None:
    deadlines = Timers()
    deadlines.set(b"a", 30)
    deadlines.set(b"b", 10)
    deadlines.set(b"c", 20)
    assert deadlines.due(25, limit=10) == [(10, b"b"), (20, b"c")]
    assert deadlines.due(25, limit=10) == []
    assert deadlines.due(30, limit=10) == [(30, b"a")]


def test_a_moved_deadline_replaces_the_earlier_one() -> None:
    deadlines = Timers()
    deadlines.set(b"a", 10)
    deadlines.set(b"a", 40)
    assert deadlines.due(39, limit=10) == []
    assert deadlines.due(40, limit=10) == [(40, b"a")]


def test_a_state_without_a_deadline_is_forgotten() -> None:
    deadlines = Timers()
    deadlines.set(b"a", 10)
    deadlines.set(b"a", None)
    assert len(deadlines) == 0
    assert deadlines.due(99, limit=1) == []


def test_a_state_written_before_its_tick_folds_gets_no_second_tick() -> None:
    deadlines = Timers()
    deadlines.set(b"a", 10)
    deadlines.due(10, limit=1)
    deadlines.set(b"a", 10)
    assert deadlines.due(99, limit=1) == []
    deadlines.set(b"a", 50)
    assert deadlines.due(99, limit=1) == [(50, b"a")]


def test_a_deadline_that_is_set_far_away_near_and_far_again_is_due_once() -> None:
    deadlines, day = Timers(), 86_400_000_000
    for deadline in (day, 5, day, 2 * day, day):
        deadlines.set(b"a", deadline)
    assert deadlines.due(day - 1, limit=10) == []
    assert deadlines.due(day, limit=10) == [(day, b"a")]
    assert deadlines.due(9 * day, limit=10) == []


def test_a_deadline_in_the_past_is_due_at_once() -> None:
    deadlines, day = Timers(), 86_400_000_000
    assert deadlines.due(day, limit=10) == []
    deadlines.set(b"a", 7)
    assert deadlines.due(day, limit=10) == [(7, b"a")]


def test_what_was_superseded_does_not_pile_up() -> None:
    deadlines, day = Timers(), 86_400_000_000
    for number in range(100_000):
        deadlines.set(b"%d" % (number % 100), day + number)
    assert deadlines._far_entries <= 20_000
    assert len(deadlines.due(2 * day, limit=1000)) == 100


times = st.integers(0, 50) | st.integers(0, 2_000_000_000)
steps = st.tuples(st.sampled_from([b"a", b"b", b"c", b"d"]), st.none() | times) | times


@given(st.lists(steps, max_size=60))
def test_what_is_due_is_what_a_plain_dictionary_says(log: list[tuple[bytes, int | None] | int]) -> None:
    deadlines = Timers()
    plain: dict[bytes, int] = {}
    taken: dict[bytes, int] = {}
    for step in log:
        if isinstance(step, int):
            expected = sorted((deadline, key) for key, deadline in plain.items() if deadline <= step)
            assert deadlines.due(step, limit=100) == expected
            for _, key in expected:
                taken[key] = plain.pop(key)
            continue
        key, due = step
        deadlines.set(key, due)
        if due is None:
            plain.pop(key, None)
            taken.pop(key, None)
        elif taken.get(key) != due:
            plain[key] = due
    assert len(deadlines) == len(plain)
