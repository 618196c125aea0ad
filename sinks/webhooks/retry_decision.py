"""What an answer to a webhook means, and how long to wait before the next attempt.

| answer                                    | verdict     | the breaker hears |
|-------------------------------------------|-------------|-------------------|
| 2xx                                       | delivered   | works             |
| none (refused, reset, too late), 408, 5xx | try again   | failed            |
| 425, 429                                  | try again   | works             |
| 410                                       | switch off  | off               |
| everything else, redirections among it    | never       | works             |
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum

from schemas.backoff import backoff_seconds

__all__ = ["Answer", "Verdict", "backoff", "judge", "reason", "retry_after", "works"]

FIRST_WAIT, LONGEST_WAIT = 0.5, 300.0
LONGEST_RETRY_AFTER = 86_400.0


class Verdict(Enum):
    """What is to be done now."""

    DELIVERED = "delivered"
    AGAIN = "again"
    OFF = "off"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt. `status` is None without an answer; `retry_after` and `seconds` are seconds."""

    status: int | None
    detail: str = ""
    retry_after: float = 0.0
    seconds: float = 0.0


def judge(status: int | None) -> Verdict:
    """The verdict on an HTTP status; None is no answer."""
    if status is None or status in (408, 425, 429) or status >= 500:
        return Verdict.AGAIN
    if 200 <= status < 300:
        return Verdict.DELIVERED
    return Verdict.OFF if status == 410 else Verdict.NEVER


def works(status: int | None) -> bool:
    """Whether the receiver is there: it may refuse a fact or ask for time, but it answers."""
    return status is not None and status != 408 and status < 500


def reason(status: int | None) -> str:
    """The word for a dead letter."""
    if judge(status) is Verdict.AGAIN:
        return "retries_exhausted"
    return "redirected" if status is not None and 300 <= status < 400 else "refused"


def backoff(attempt: int, jitter: float) -> float:
    """Seconds after the `attempt`-th failure (from 1): doubling, the upper half of it at random; `jitter` in [0, 1)."""
    return backoff_seconds(attempt, FIRST_WAIT, LONGEST_WAIT) * (0.5 + 0.5 * jitter)


def retry_after(value: str, wall: float) -> float:
    """Seconds of a `Retry-After` header, given as seconds or as an HTTP date; 0 when it is missing or nonsense."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0.0
    return min(max(0.0, moment - wall), LONGEST_RETRY_AFTER)
