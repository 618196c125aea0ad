"""Where attempts wait for the breaker: in the order in which they came, so that every one gets its turn as the probe."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress

from schemas.circuit_breaker import CircuitBreaker, State

__all__ = ["Gate"]


class Gate:
    """A breaker that can be waited for. `changed` hears every new state."""

    def __init__(self, breaker: CircuitBreaker, changed: Callable[[State], None] = lambda state: None) -> None:
        self._breaker, self._tell = breaker, changed
        self._turn = asyncio.Lock()
        self._news = asyncio.Event()
        self._told = breaker.state

    @property
    def state(self) -> State:
        return self._breaker.state

    @property
    def wait_seconds(self) -> float:
        """0 when an attempt may begin now."""
        return self._breaker.wait_seconds(time.monotonic())

    @property
    def open_seconds(self) -> float:
        """For how long in all the breaker was open."""
        return self._breaker.open_seconds(time.monotonic())

    async def enter(self) -> int:
        """Wait until an attempt may begin; returns its number for one of the methods below."""
        async with self._turn:
            while (wait := self._breaker.wait_seconds(time.monotonic())) > 0:
                self._news.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), None if wait == math.inf else wait)
            attempt = self._breaker.begin(time.monotonic())
        self._changed()
        return attempt

    def succeeded(self, attempt: int) -> None:
        self._breaker.succeeded(attempt, time.monotonic())
        self._changed()

    def failed(self, attempt: int) -> None:
        self._breaker.failed(attempt, time.monotonic())
        self._changed()

    def abandoned(self, attempt: int) -> None:
        self._breaker.abandoned(attempt)
        self._changed()

    def pause(self, seconds: float) -> None:
        self._breaker.pause(time.monotonic() + seconds)

    def switch_off(self) -> None:
        self._breaker.switch_off()
        self._changed()

    def _changed(self) -> None:
        self._news.set()
        if self._breaker.state is not self._told:
            self._told = self._breaker.state
            self._tell(self._told)
