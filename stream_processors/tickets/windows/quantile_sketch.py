"""Sketches quantiles of durations that can be merged, in buckets whose width grows with the duration.

A duration belongs to bucket 0 when it is at most a millisecond, else to the bucket `b` with

    γ^(b-1) < milliseconds ≤ γ^b        γ = (1 + ε) / (1 - ε) = 101 / 99,  ε = 1 %

and is read back as `2 γ^b / (γ + 1)` milliseconds (bucket 0: as 0), which no duration of the bucket differs from by
more than ε of itself. Counts of buckets are added to merge sketches, and the quantile `q` of `n` durations is the value
of the first bucket at which the running count exceeds `q (n - 1)`: the bucket of the duration that stands at position
`floor(q (n - 1))` when they are sorted from 0. So every quantile is within 1 % of a real duration of that rank.
(C. Masson, J. E. Rim, H. K. Lee, "DDSketch", VLDB 2019; the same in SQL: `sinks/clickhouse/views/quantiles_{window}.sql`.)

Limits are exact integers, compared with whole microseconds: no logarithm that a library could round in another way.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

__all__ = ["HIGHEST_BUCKET", "RELATIVE_ERROR", "bucket_of", "quantile", "seconds_of"]

RELATIVE_ERROR = 0.01
#: Durations above 6 years are counted as 6 years.
HIGHEST_BUCKET = 1300
_GROWTH = 101 / 99


def _limits() -> list[int]:
    """Returns the greatest whole number of microseconds of each bucket."""
    over, under, limits = 1000, 1, []
    for _ in range(HIGHEST_BUCKET):
        limits.append(over // under)
        over, under = over * 101, under * 99
    return limits


_LIMITS = _limits()


def bucket_of(seconds: float) -> int:
    """Returns the bucket of a duration; negative ones are 0 seconds."""
    return bisect_left(_LIMITS, round(seconds * 1_000_000))


def seconds_of(bucket: int) -> float:
    """Returns the duration that stands for this bucket."""
    return 0.0 if bucket == 0 else 2 * _GROWTH**bucket / (_GROWTH + 1) / 1000


def quantile(counts: Mapping[int, int], share: float) -> float | None:
    """Returns the quantile (seconds) of counted buckets, as the views compute it; None of nothing."""
    rank, passed = share * (sum(counts.values()) - 1), 0
    for bucket in sorted(counts):
        passed += counts[bucket]
        if passed > rank:
            return seconds_of(bucket)
    return None
