"""Parses `/metrics` pages, sums samples, and computes quantiles of histograms."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping

__all__ = ["RecentHistogram", "Samples", "buckets", "parse_metrics", "quantile", "total"]

DELAY_WINDOW_SECONDS = 60.0

_SAMPLE = re.compile(r"^(deskstream_\w+)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

#: `(name, sorted labels)` → value.
Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


def parse_metrics(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Returns our samples of a Prometheus text page, by `(name, sorted labels)`."""
    samples = {}
    for line in text.splitlines():
        if line.startswith("deskstream_") and (match := _SAMPLE.match(line)):
            labels = tuple(sorted(_LABEL.findall(match[2] or "")))
            samples[match[1], labels] = float(match[3])
    return samples


def total(samples: Samples, name: str) -> float:
    """Returns the sum of a metric over all its labels."""
    return sum(value for (metric, _), value in samples.items() if metric == name)


def buckets(samples: Samples, name: str) -> dict[float, float]:
    """Returns the cumulative buckets of a histogram, summed over its other labels: upper bound → count."""
    found: dict[float, float] = {}
    for (metric, labels), value in samples.items():
        if metric == f"{name}_bucket":
            bound = float(dict(labels)["le"])
            found[bound] = found.get(bound, 0.0) + value
    return found


def quantile(share: float, counts: Mapping[float, float]) -> float | None:
    """Returns a quantile of cumulative buckets, linear within a bucket as in Prometheus; None without samples."""
    bounds = sorted(counts)
    if not bounds or counts[bounds[-1]] <= 0:
        return None
    wanted, below, below_count = share * counts[bounds[-1]], 0.0, 0.0
    for bound in bounds:
        if counts[bound] >= wanted:
            if bound == float("inf"):
                return below
            inside = counts[bound] - below_count
            return below + (bound - below) * ((wanted - below_count) / inside if inside else 1.0)
        below, below_count = bound, counts[bound]
    return below


class RecentHistogram:
    """Holds what a cumulative histogram gained in the last `seconds`."""

    def __init__(self, seconds: float = DELAY_WINDOW_SECONDS) -> None:
        self._seconds = seconds
        self._history: deque[tuple[float, dict[float, float]]] = deque()

    def add(self, at: float, counts: dict[float, float]) -> None:
        """Adds the cumulative buckets read `at` this time, in monotonic seconds."""
        if self._history and sum(counts.values()) < sum(self._history[-1][1].values()):
            self._history.clear()  # the process was restarted
        self._history.append((at, counts))
        while len(self._history) > 2 and self._history[1][0] <= at - self._seconds:
            self._history.popleft()

    def quantiles(self) -> tuple[float, float] | None:
        """Returns median and 99th percentile; those since the start of the process when nothing was gained."""
        if not self._history:
            return None
        last, first = self._history[-1][1], self._history[0][1]
        gained = {bound: count - first.get(bound, 0.0) for bound, count in last.items()}
        counts = gained if max(gained.values(), default=0) > 0 else last
        median, p99 = quantile(0.5, counts), quantile(0.99, counts)
        return None if median is None or p99 is None else (median, p99)
