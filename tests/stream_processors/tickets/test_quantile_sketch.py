"""Quantiles of durations: their error is bounded, and sketches can be merged."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_processors.tickets.windows.quantile_sketch import (
    HIGHEST_BUCKET,
    RELATIVE_ERROR,
    bucket_of,
    quantile,
    seconds_of,
)

SECONDS = st.floats(0.0, 1.9e8)
#: A microsecond is the smallest difference that is seen, and a millisecond the smallest duration that is not 0.
GRAIN, SMALLEST = 1e-6, 0.001


@settings(max_examples=300)
@given(SECONDS)
def test_a_duration_is_read_back_within_one_percent(seconds: float) -> None:
    read = seconds_of(bucket_of(seconds))
    assert abs(read - seconds) <= max(
        RELATIVE_ERROR * seconds + GRAIN, SMALLEST if seconds <= SMALLEST + GRAIN else 0.0
    )


@settings(max_examples=100)
@given(st.lists(st.lists(SECONDS, min_size=1), min_size=1, max_size=5), st.floats(0, 1))
def test_quantiles_of_merged_sketches_are_within_one_percent_of_the_duration_of_that_rank(
    parts: list[list[float]], share: float
) -> None:
    merged = sum((Counter(map(bucket_of, part)) for part in parts), Counter[int]())
    ordered = sorted(seconds for part in parts for seconds in part)
    exact = ordered[math.floor(share * (len(ordered) - 1))]
    read = quantile(merged, share)
    assert read is not None
    assert abs(read - exact) <= RELATIVE_ERROR * exact + SMALLEST + GRAIN


@settings(max_examples=100)
@given(SECONDS, SECONDS)
def test_a_longer_duration_is_never_in_a_lower_bucket(first: float, second: float) -> None:
    assert (bucket_of(first) <= bucket_of(second)) or first > second


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [
        (-5.0, 0),
        (0.0, 0),
        (0.001, 0),
        (0.001001, 1),
        (0.001020, 1),  # γ ms = 1.0202 ms
        (0.001021, 2),
        (0.001040, 2),  # γ² ms = 1.0408 ms
        (0.001041, 3),
        (1.0, 346),  # ln 1000 / ln γ = 345.4
        (1e12, HIGHEST_BUCKET),
    ],
)
def test_limits_of_buckets(seconds: float, bucket: int) -> None:
    assert bucket_of(seconds) == bucket


def test_nothing_has_no_quantile() -> None:
    assert quantile({}, 0.5) is None


def test_a_quantile_is_that_of_the_duration_at_its_rank() -> None:
    # four durations: q (n - 1) is 1.5 for the median and 2.7 for p90, so those at positions 1 and 2, counted from 0
    counts = Counter({100: 1, 200: 1, 300: 1, 400: 1})
    assert [quantile(counts, share) for share in (0, 0.5, 0.9, 1)] == [seconds_of(b) for b in (100, 200, 300, 400)]


def test_what_buckets_are_read_back_as() -> None:
    # 2 γ^b / (γ + 1) ms with γ = 101/99: for b = 1 it is 2 · (101/99) / (200/99) = 1.01 ms; for b = 2 it is 1.01 · 101/99 ms
    assert (seconds_of(0), RELATIVE_ERROR) == (0.0, 0.01)
    assert [seconds_of(bucket) for bucket in (1, 2)] == pytest.approx([0.00101, 0.00101 * 101 / 99], rel=1e-12)


@pytest.mark.parametrize("bucket", [346, 700, 1200])
def test_a_bucket_ends_at_a_whole_microsecond(bucket: int) -> None:
    limit = 1000 * 101**bucket // 99**bucket  # γ^b ms, in µs
    assert bucket_of(limit / 1e6) == bucket
    assert bucket_of((limit + 1) / 1e6) == bucket + 1
