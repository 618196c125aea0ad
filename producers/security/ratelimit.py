"""Limits the rate of each source with a token bucket of its own."""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["RateLimit"]


class RateLimit:
    """Allows `per_second` on average and `burst` at once, to each of at most `sources` sources. Times: monotonic seconds."""

    def __init__(self, per_second: float, burst: float, sources: int = 10_000) -> None:
        self._per_second, self._burst, self._sources = per_second, burst, sources
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # source → (tokens, at)

    def wait_seconds(self, source: str, now: float) -> float:
        """Takes one token of `source`. Returns 0 when there was one, otherwise the seconds until there will be."""
        tokens, at = self._buckets.pop(source, (self._burst, now))
        tokens = min(self._burst, tokens + max(0.0, now - at) * self._per_second)
        taken = tokens >= 1.0
        self._buckets[source] = (tokens - 1.0 if taken else tokens, now)
        if len(self._buckets) > self._sources:
            self._buckets.popitem(last=False)  # who was quiet longest has a full bucket anyway, or nearly
        return 0.0 if taken else (1.0 - tokens) / self._per_second
