"""Who sends more than its share waits; nobody else does."""

from __future__ import annotations

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


def test_one_source_does_not_use_up_the_share_of_another() -> None:
    limit = RateLimit(per_second=1.0, burst=1.0)
    assert limit.wait_seconds("a", 0.0) == 0.0
    assert limit.wait_seconds("a", 0.0) > 0.0
    assert limit.wait_seconds("b", 0.0) == 0.0


@given(times=st.lists(st.floats(0, 100), min_size=1, max_size=200))
def test_never_more_passes_than_the_burst_and_what_time_has_added(times: list[float]) -> None:
    limit, passed = RateLimit(per_second=3.0, burst=5.0), 0
    for at in sorted(times):
        passed += limit.wait_seconds("a", at) == 0.0
        assert passed <= 5.0 + 3.0 * at + 1e-6


def test_the_number_of_sources_remembered_is_bounded() -> None:
    limit = RateLimit(per_second=1.0, burst=1.0, sources=10)
    for number in range(100):
        limit.wait_seconds(str(number), 0.0)
    assert len(limit._buckets) == 10
