"""A sender above its share waits, and no other sender does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.security.ratelimit import RateLimit


def test_a_burst_passes_and_the_next_request_waits_for_one_token() -> None:
    limit = RateLimit(per_second=2.0, burst=3.0)
    assert [limit.wait_seconds("a", 10.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_after_the_time_that_was_told_the_request_passes() -> None:
    limit = RateLimit(per_second=2.0, burst=1.0)
    assert limit.wait_seconds("a", 10.0) == 0.0
    wait = limit.wait_seconds("a", 10.0)
    assert wait == 0.5
    assert limit.wait_seconds("a", 10.0 + wait) == 0.0


@pytest.mark.parametrize(
    ("times", "waits"),
    [
        ([0.0, 0.2], [0.0, 0.3]),  # 0.4 of a token is there already
        ([0.0, 0.2, 0.4], [0.0, 0.3, 0.1]),  # a refused request takes nothing
        ([0.0, 0.5], [0.0, 0.0]),  # exactly one token
        ([0.0, 0.75, 1.0], [0.0, 0.0, 0.25]),  # 1.5 tokens are no more than the burst
        ([0.0, 9.0, 9.0], [0.0, 0.0, 0.5]),  # a long pause adds no more than the burst
        ([5.0, 1.0, 5.25], [0.0, 0.5, 0.0]),  # a clock that goes back adds nothing, and takes nothing
    ],
)
def test_the_wait_is_what_the_missing_part_of_a_token_takes(times: list[float], waits: list[float]) -> None:
    limit = RateLimit(per_second=2.0, burst=1.0)
    assert [limit.wait_seconds("a", at) for at in times] == pytest.approx(waits)


@given(rate=st.floats(0.01, 1_000), burst=st.floats(1, 50), steps=st.lists(st.floats(0, 10), min_size=1, max_size=100))
def test_whoever_waits_as_told_passes(rate: float, burst: float, steps: list[float]) -> None:
    limit, now = RateLimit(rate, burst), 0.0
    for step in steps:
        now += step
        wait = limit.wait_seconds("a", now)
        assert 0.0 <= wait <= 1.0 / rate
        if wait:
            now += wait * (1 + 1e-9) + 1e-9
            assert limit.wait_seconds("a", now) == 0.0


def test_one_source_does_not_use_up_the_share_of_another() -> None:
    limit = RateLimit(per_second=1.0, burst=1.0)
    assert limit.wait_seconds("a", 0.0) == 0.0
    assert limit.wait_seconds("a", 0.0) > 0.0
    assert limit.wait_seconds("b", 0.0) == 0.0


@given(times=st.lists(st.floats(0, 100), min_size=1, max_size=200))
def test_no_more_passes_than_burst_and_rate_allow(times: list[float]) -> None:
    limit, passed = RateLimit(per_second=3.0, burst=5.0), 0
    for at in sorted(times):
        passed += limit.wait_seconds("a", at) == 0.0
        assert passed <= 5.0 + 3.0 * at + 1e-6


def test_the_number_of_sources_remembered_is_bounded() -> None:
    limit = RateLimit(per_second=1.0, burst=1.0, sources=10)
    for number in range(100):
        limit.wait_seconds(str(number), 0.0)
    assert len(limit._buckets) == 10


def test_the_source_that_was_quiet_longest_is_forgotten_first() -> None:
    limit = RateLimit(per_second=1.0, burst=1.0, sources=2)
    for source in ("a", "b", "a", "c"):  # "a" was heard again after "b"
        limit.wait_seconds(source, 0.0)
    assert limit.wait_seconds("a", 0.0) > 0.0
    assert limit.wait_seconds("b", 0.0) == 0.0
