"""Decides whether an attempt may begin, from the results of the attempts before: a circuit breaker without I/O.

| state      | an attempt may begin          | it succeeds | it fails                                      |
|------------|-------------------------------|-------------|-----------------------------------------------|
| closed     | yes                           | closed      | open, after `failures` in a row               |
| open       | no; after the wait: half-open | closed      | open (it began before)                        |
| half-open  | one, the probe                | closed      | the probe's: open, and the wait doubles       |
| off        | no                            | off         | off                                           |

A pause (`Retry-After`) delays attempts in every state. Times are seconds of any clock that never goes back.
"""

from __future__ import annotations

import math
from enum import Enum

from schemas.backoff import Backoff

__all__ = ["CircuitBreaker", "State"]


class State(Enum):
    """The state of a breaker; the values are those of the metric."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2
    OFF = 3


class CircuitBreaker:
    """Holds back attempts to reach one server that fails. It opens for `seconds` the first time, at most for `longest`.

    Not thread-safe: its owner holds a lock, or uses it on one thread.
    """

    def __init__(self, failures: int, seconds: float, longest: float = 300.0) -> None:
        self._failures = failures
        self.state = State.CLOSED
        self._in_a_row = 0
        self._backoff = Backoff(seconds, max(seconds, longest))
        self._open_until = 0.0
        self._paused_until = 0.0
        self._attempts = 0
        self._probe: int | None = None
        self._opened_at = 0.0
        self._open_before = 0.0

    def wait_seconds(self, now: float) -> float:
        """Returns the seconds until an attempt may begin: 0 now, `inf` after the probe has ended."""
        if self.state is State.OFF or self._probe is not None:
            return math.inf
        until = max(self._paused_until, self._open_until if self.state is State.OPEN else 0.0)
        return max(0.0, until - now)

    def begin(self, now: float) -> int:
        """Begins an attempt; returns its number, by which its result is told.

        Raises:
            RuntimeError: `wait_seconds` is not 0.
        """
        if self.wait_seconds(now) > 0:
            raise RuntimeError(f"no attempt may begin while {self.state.name}")
        self._attempts += 1
        if self.state in (State.OPEN, State.HALF_OPEN):
            self.state, self._probe = State.HALF_OPEN, self._attempts
        return self._attempts

    def succeeded(self, attempt: int, now: float) -> None:
        """Counts a success; closes the breaker, whichever attempt it was."""
        if self.state is State.OFF:
            return
        self._open_before = self.open_seconds(now)
        self.state, self._probe, self._in_a_row = State.CLOSED, None, 0
        self._backoff.succeeded()

    def failed(self, attempt: int, now: float) -> None:
        """Counts a failure: no answer, or one that says that the receiver does not work."""
        if self.state is State.CLOSED:
            self._in_a_row += 1
            if self._in_a_row >= self._failures:
                self._opened_at = now
                self._open(now)
        elif self.state is State.HALF_OPEN and attempt == self._probe:
            self._probe = None
            self._open(now)

    def _open(self, now: float) -> None:
        self.state, self._open_until = State.OPEN, now + self._backoff.failed()

    def abandoned(self, attempt: int) -> None:
        """Counts nothing: the attempt was given up before its answer. Another may be the probe."""
        if attempt == self._probe:
            self._probe = None

    def pause(self, until: float) -> None:
        """Lets no attempt begin before `until`."""
        self._paused_until = max(self._paused_until, until)

    def switch_off(self) -> None:
        """Lets no attempt begin any more."""
        self.state, self._probe = State.OFF, None

    def open_seconds(self, now: float) -> float:
        """Returns the seconds for which it has been open or half-open, all in all."""
        running = now - self._opened_at if self.state in (State.OPEN, State.HALF_OPEN) else 0.0
        return self._open_before + max(0.0, running)
