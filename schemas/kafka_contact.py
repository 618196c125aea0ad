"""Counts the seconds in which Kafka was away from this process, so that no scrape misses an outage between two."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from schemas.metrics import KAFKA_AWAY_SECONDS

__all__ = ["KafkaContact"]


class KafkaContact:
    """Notes when Kafka answered, and counts the seconds of its silence.

    Silence begins with the last answer, not when somebody notices it. It is noticed by `silent()`, or by itself when nothing
    was heard for `timeout_seconds` (0: never), which is for whoever asks with a call that blocks. Before the first answer
    only `silent()` counts: a process that has not begun to ask knows nothing. Any thread may call.
    """

    def __init__(self, timeout_seconds: float = 0.0, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.timeout_seconds, self._now = timeout_seconds, monotonic
        self._lock = threading.Lock()
        self._heard: float | None = None
        self._counted: float | None = None

    def heard(self) -> None:
        """Notes that Kafka answered just now: a silence ends."""
        with self._lock:
            self._notice()
            self._count()
            self._heard, self._counted = self._now(), None

    def silent(self) -> None:
        """Notes that Kafka does not answer, or takes nothing."""
        with self._lock:
            self._begin()
            self._count()

    def count(self) -> None:
        """Brings the counter up to date; a scrape does so before it reads."""
        with self._lock:
            self._notice()
            self._count()

    def _notice(self) -> None:
        if self.timeout_seconds and self._heard is not None and self._now() - self._heard > self.timeout_seconds:
            self._begin()

    def _begin(self) -> None:
        if self._counted is None:
            self._counted = self._now() if self._heard is None else self._heard

    def _count(self) -> None:
        if self._counted is not None:
            KAFKA_AWAY_SECONDS.inc((now := self._now()) - self._counted)
            self._counted = now
