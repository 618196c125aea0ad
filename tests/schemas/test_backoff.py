from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.backoff import Backoff, backoff_seconds


def test_waits_double_up_to_the_longest() -> None:
    backoff = Backoff(0.5, 3.0)
    assert [backoff.failed() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert backoff.failures == 5


def test_after_a_success_the_first_wait_comes_again() -> None:
    backoff = Backoff(0.5, 3.0)
    for _ in range(3):
        backoff.failed()
    backoff.succeeded()
    assert (backoff.failures, backoff.failed()) == (0, 0.5)


def test_an_exhausted_backoff_waits_longest_at_once() -> None:
    backoff = Backoff(0.5, 3600.0)
    backoff.exhaust()
    assert backoff.failed() == backoff.failed() == 3600.0
    backoff.succeeded()
    assert backoff.failed() == 0.5


@pytest.mark.parametrize(("failures", "seconds"), [(1, 2.0), (2, 4.0), (6, 64.0), (7, 100.0), (10**9, 100.0)])
def test_the_wait_is_a_function_of_the_failures(failures: int, seconds: float) -> None:
    assert backoff_seconds(failures, 2.0, 100.0) == seconds


def test_a_first_wait_above_the_longest_is_cut() -> None:
    assert backoff_seconds(1, 5.0, 2.0) == 2.0


@given(st.integers(1, 5000), st.floats(0.001, 60), st.floats(0.001, 86_400))
def test_a_wait_never_shrinks_and_never_exceeds_the_longest(failures: int, first: float, longest: float) -> None:
    wait = backoff_seconds(failures, first, longest)
    assert 0 < wait <= backoff_seconds(failures + 1, first, longest) <= longest
