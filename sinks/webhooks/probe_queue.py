"""Queues attempts at a circuit breaker, first come, first served, so that each can be the probe."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress

from schemas.circuit_breaker import CircuitBreaker, State

__all__ = ["ProbeQueue"]


class ProbeQueue:
    """Holds a breaker and lets attempts wait for it. Calls `on_change` with every new state."""

    def __init__(self, breaker: CircuitBreaker, on_change: Callable[[State], None] = lambda state: None) -> None:
        self._breaker, self._on_change = breaker, on_change
        self._first_in_line = asyncio.Lock()
        self._changed = asyncio.Event()
        self._reported = breaker.state

    @property
    def state(self) -> State:
        """The breaker's state."""
        return self._breaker.state

    @property
    def wait_seconds(self) -> float:
        """Seconds until an attempt may begin: 0 now, `inf` after another attempt has ended."""
        return self._breaker.wait_seconds(time.monotonic())

    @property
    def open_seconds(self) -> float:
        """Seconds for which the breaker was open or half-open, all in all."""
        return self._breaker.open_seconds(time.monotonic())

    async def enter(self) -> int:
        """Waits until an attempt may begin; returns its number, for one of the methods below."""
        async with self._first_in_line:
            while (wait := self._breaker.wait_seconds(time.monotonic())) > 0:
                self._changed.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), None if wait == math.inf else wait)
            attempt = self._breaker.begin(time.monotonic())
        self._report()
        return attempt

    def succeeded(self, attempt: int) -> None:
        """Counts a success."""
        self._breaker.succeeded(attempt, time.monotonic())
        self._report()

    def failed(self, attempt: int) -> None:
        """Counts a failure."""
        self._breaker.failed(attempt, time.monotonic())
        self._report()

    def abandoned(self, attempt: int) -> None:
        """Counts neither: the attempt was given up before its answer."""
        self._breaker.abandoned(attempt)
        self._report()

    def pause(self, seconds: float) -> None:
        """Lets no attempt begin for so long."""
        self._breaker.pause(time.monotonic() + seconds)

    def switch_off(self) -> None:
        """Lets no attempt begin any more."""
        self._breaker.switch_off()
        self._report()

    def _report(self) -> None:
        self._changed.set()
        if self._breaker.state is not self._reported:
            self._reported = self._breaker.state
            self._on_change(self._reported)
