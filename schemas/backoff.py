"""Waits that double, in seconds, between attempts to reach a server that does not answer."""

from __future__ import annotations

__all__ = ["Backoff", "backoff_seconds"]

#: 2 to the power of more than this is no number of seconds that anybody configures, and soon no float.
_MOST_DOUBLINGS = 60


def backoff_seconds(failures: int, first: float, longest: float) -> float:
    """Returns the wait after this many failures in a row (from 1): `first`, then twice as long each time."""
    return min(longest, first * 2.0 ** min(failures - 1, _MOST_DOUBLINGS))


class Backoff:
    """Counts failures in a row and returns the wait after each. Callers add jitter where many wait at once."""

    def __init__(self, first: float, longest: float) -> None:
        self.first, self.longest = first, longest
        self.failures = 0

    def failed(self) -> float:
        """Counts one failure; returns the seconds to wait before the next attempt."""
        self.failures += 1
        return backoff_seconds(self.failures, self.first, self.longest)

    def exhaust(self) -> None:
        """Makes the next wait the longest one."""
        self.failures = _MOST_DOUBLINGS

    def succeeded(self) -> None:
        """Makes the next wait the first one again."""
        self.failures = 0
