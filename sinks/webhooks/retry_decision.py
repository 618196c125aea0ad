"""Decides from the answer to a webhook whether it is sent again, and how long to wait before the next attempt.

| answer                                    | decision                                       | breaker counts |
|-------------------------------------------|------------------------------------------------|----------------|
| 2xx                                       | `Accepted`                                    | a success      |
| none (refused, reset, too late), 408, 5xx | `Retry` while there is time, then `GiveUp` | a failure      |
| 425, 429                                  | `Retry` while there is time, then `GiveUp` | a success      |
| 410                                       | `SwitchOff`                                    | opens for good |
| everything else, redirections among it    | `GiveUp`                                   | a success      |
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import ClassVar

from schemas.backoff import backoff_seconds

__all__ = [
    "SWITCH_OFF_STATUS",
    "Accepted",
    "Answer",
    "GiveUp",
    "Retry",
    "RetryDecision",
    "SwitchOff",
    "backoff",
    "decide",
    "is_delivered",
    "receiver_works",
    "retry_after",
]

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 300.0
LONGEST_RETRY_AFTER_SECONDS = 86_400.0
SWITCH_OFF_STATUS = 410


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of one attempt: `status` is None without an answer; `retry_after` and `seconds` are seconds."""

    status: int | None
    detail: str = ""
    retry_after: float = 0.0
    seconds: float = 0.0

    @property
    def status_text(self) -> str:
        """The status for people: `HTTP 503`, or `no answer`."""
        return f"HTTP {self.status}" if self.status else "no answer"


# `outcome` is the word of each decision in the delivery log and in the metric.


@dataclass(frozen=True, slots=True)
class Accepted:
    """The receiver has the fact."""

    outcome: ClassVar[str] = "delivered"


@dataclass(frozen=True, slots=True)
class Retry:
    """The fact is sent again after `wait_seconds`."""

    outcome: ClassVar[str] = "retried"
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The fact becomes a dead letter; `reason` is a bounded word."""

    outcome: ClassVar[str] = "dead_lettered"
    reason: str


@dataclass(frozen=True, slots=True)
class SwitchOff:
    """The receiver wants nothing more: the subscription ends until a restart, and the fact stays unfinished."""

    outcome: ClassVar[str] = "switched_off"


RetryDecision = Accepted | Retry | GiveUp | SwitchOff


def decide(answer: Answer, attempt: int, seconds_left: float, jitter: float) -> RetryDecision:
    """Returns what to do with a fact after its `attempt`-th answer (from 1).

    `seconds_left` is the rest of the time in which the fact is tried; `jitter` is a random number in [0, 1).
    """
    status = answer.status
    if status is None or status in (408, 425, 429) or status >= 500:
        if seconds_left <= 0:
            return GiveUp("retries_exhausted")
        return Retry(min(seconds_left, max(backoff(attempt, jitter), answer.retry_after)))
    if is_delivered(status):
        return Accepted()
    if status == SWITCH_OFF_STATUS:
        return SwitchOff()
    return GiveUp("redirected" if 300 <= status < 400 else "refused")


def is_delivered(status: int | None) -> bool:
    """Tells whether an answer with this status means that the receiver has the fact."""
    return status is not None and 200 <= status < 300


def receiver_works(status: int | None) -> bool:
    """Tells whether the receiver is there: it may refuse a fact or ask for time, but it answers."""
    return status is not None and status != 408 and status < 500


def backoff(attempt: int, jitter: float) -> float:
    """Returns the seconds to wait after the `attempt`-th failure (from 1).

    The wait doubles with each failure; its upper half is random: `jitter` is in [0, 1).
    """
    return backoff_seconds(attempt, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS) * (0.5 + 0.5 * jitter)


def retry_after(value: str, wall: float) -> float:
    """Returns the seconds of a `Retry-After` header; 0 when it is missing or neither seconds nor an HTTP date.

    `wall` is now, in wall seconds since 1970. A wait longer than a day is cut to a day.
    """
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0.0
    return min(max(0.0, moment - wall), LONGEST_RETRY_AFTER_SECONDS)
