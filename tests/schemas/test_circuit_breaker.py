"""The circuit breaker without a network: when it lets an attempt through."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.circuit_breaker import CircuitBreaker, State


def opened(failures: int = 3, seconds: float = 5.0) -> CircuitBreaker:
    breaker = CircuitBreaker(failures, seconds, longest=60.0)
    for _ in range(failures):
        breaker.failed(breaker.begin(0.0), 0.0)
    return breaker


def test_it_opens_after_so_many_failures_in_a_row_and_not_before() -> None:
    breaker = CircuitBreaker(3, 5.0)
    for _ in range(2):
        breaker.failed(breaker.begin(0.0), 0.0)
    breaker.succeeded(breaker.begin(0.0), 0.0)
    for _ in range(2):
        breaker.failed(breaker.begin(0.0), 0.0)
    assert breaker.state is State.CLOSED
    breaker.failed(breaker.begin(1.0), 1.0)
    assert breaker.state is State.OPEN
    assert breaker.wait_seconds(1.0) == 5.0


def test_half_open_lets_one_probe_through_and_its_success_closes_it() -> None:
    breaker = opened()
    probe = breaker.begin(5.0)
    assert breaker.state is State.HALF_OPEN
    assert breaker.wait_seconds(100.0) == math.inf, "one is enough"
    breaker.succeeded(probe, 6.0)
    assert (breaker.state, breaker.wait_seconds(6.0)) == (State.CLOSED, 0.0)
    assert breaker.open_seconds(100.0) == 6.0


def test_a_probe_that_fails_doubles_the_wait_up_to_the_longest() -> None:
    breaker, now, waits = opened(), 5.0, []
    for _ in range(6):
        breaker.failed(breaker.begin(now), now)
        waits.append(breaker.wait_seconds(now))
        now += waits[-1]
    assert waits == [10.0, 20.0, 40.0, 60.0, 60.0, 60.0]
    breaker.succeeded(breaker.begin(now), now)
    for _ in range(3):
        breaker.failed(breaker.begin(now), now)
    assert breaker.wait_seconds(now) == 5.0, "it begins anew after a success"


def test_an_attempt_that_began_before_it_opened_neither_ends_nor_prolongs_a_probe() -> None:
    breaker = CircuitBreaker(2, 5.0)
    early = [breaker.begin(0.0) for _ in range(4)]
    for attempt in early[:2]:
        breaker.failed(attempt, 1.0)
    breaker.failed(early[2], 2.0)
    assert breaker.wait_seconds(2.0) == 4.0
    probe = breaker.begin(6.0)
    breaker.failed(early[3], 6.5)
    assert breaker.state is State.HALF_OPEN
    breaker.failed(probe, 7.0)
    assert (breaker.state, breaker.wait_seconds(7.0)) == (State.OPEN, 10.0)


def test_a_probe_that_was_given_up_makes_room_for_another() -> None:
    breaker = opened()
    breaker.abandoned(breaker.begin(5.0))
    assert breaker.wait_seconds(5.0) == 0.0
    breaker.succeeded(breaker.begin(5.0), 5.0)
    assert breaker.state is State.CLOSED


def test_a_pause_holds_back_without_opening_and_the_longer_one_counts() -> None:
    breaker = CircuitBreaker(3, 5.0)
    breaker.pause(10.0)
    breaker.pause(4.0)
    assert (breaker.state, breaker.wait_seconds(3.0), breaker.wait_seconds(10.0)) == (State.CLOSED, 7.0, 0.0)
    assert breaker.open_seconds(10.0) == 0.0


def test_off_is_for_good() -> None:
    breaker = CircuitBreaker(3, 5.0)
    late = breaker.begin(0.0)
    breaker.switch_off()
    breaker.succeeded(late, 1.0)
    breaker.failed(late, 1.0)
    assert (breaker.state, breaker.wait_seconds(10**9)) == (State.OFF, math.inf)
    with pytest.raises(RuntimeError):
        breaker.begin(2.0)


STEPS = st.lists(
    st.tuples(st.sampled_from(["ask", "ok", "fail", "give up", "pause"]), st.floats(0, 20), st.integers(0, 5)),
    max_size=60,
)


@given(STEPS, st.integers(1, 4))
def test_whatever_happens_open_lets_nothing_through_and_half_open_one_at_a_time(steps: Any, failures: int) -> None:
    breaker, now, running, row, opened_at = CircuitBreaker(failures, 5.0, longest=20.0), 0.0, [], 0, None
    open_before = 0.0
    for what, seconds, which in steps:
        now += seconds
        if what == "ask":
            if breaker.wait_seconds(now) == 0.0:
                was = breaker.state
                running.append(breaker.begin(now))
                assert was is State.CLOSED or breaker.state is State.HALF_OPEN
                assert was is State.CLOSED or breaker.wait_seconds(now) == math.inf
                assert opened_at is None or now - opened_at >= 5.0
            elif breaker.state is State.OPEN:
                with pytest.raises(RuntimeError):
                    breaker.begin(now)
        elif what == "pause":
            breaker.pause(now + seconds)
        elif running:
            attempt = running.pop(which % len(running))
            was = breaker.state
            if what == "ok":
                breaker.succeeded(attempt, now)
                assert breaker.state is State.CLOSED
                row, opened_at = 0, None
            elif what == "fail":
                breaker.failed(attempt, now)
                row += was is State.CLOSED
                assert (breaker.state is State.CLOSED) == (row < failures and was is State.CLOSED)
                if was is not State.OPEN and breaker.state is State.OPEN:
                    opened_at = now
            else:
                breaker.abandoned(attempt)
        assert open_before <= breaker.open_seconds(now) <= now
        open_before = breaker.open_seconds(now)
