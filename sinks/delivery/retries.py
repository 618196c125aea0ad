"""Decides how often one message is tried again, and tells its own failure from its channel's. Pure but for the clock.

| an attempt ends in | and                                         | then                                                    |
|--------------------|---------------------------------------------|---------------------------------------------------------|
| ServiceUnavailable | no other message got an answer since        | the channel waits; tried again without limit            |
| ServiceUnavailable | others did: this message alone provokes it  | tried for `delivery_retry_seconds`, then it bounces     |
| TryLater           |                                             | the same                                                |
| AnswerLost         |                                             | `delivery_answer_retries` times again, then it bounces  |

A message that alone provokes a failure holds up nobody but its own customer: the channel does not wait for it.
"""

from __future__ import annotations

import time

from schemas.backoff import Backoff
from schemas.settings import SinkSettings
from sinks.delivery.adapter import AnswerLost, ServiceUnavailable, TryLater, Undeliverable
from sinks.delivery.channel_backoff import FIRST_WAIT_SECONDS

__all__ = ["MessageRetries"]

LONGEST_WAIT_SECONDS = 60.0
#: A lost answer is often the sign of a server that restarts; copies that come apart in time are dropped more often.
FIRST_LOST_WAIT_SECONDS = 5.0
#: A server that comes and goes fails some message a second time by chance, and the same one hardly a third time.
FEWEST_OWN_FAILURES = 3


class MessageRetries:
    """Counts the failures of one message. Each method returns the seconds to wait, or the bounce that ends the tries.

    attempts  how often the service answered, or may have taken the message
    """

    def __init__(self, settings: SinkSettings) -> None:
        self._settings = settings
        self._backoff = Backoff(FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
        self._lost_backoff = Backoff(FIRST_LOST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
        self._refused_since: float | None = None
        self._answered_before: int | None = None
        self._own_failures = 0
        self._is_own = False
        self._lost = 0
        self.attempts = 0

    def blames_channel(self, answered: int) -> bool:
        """Tells whether the channel is to wait; `answered` counts the messages that the service answered until now.

        It is not when others were answered since this message failed, now or once before.
        """
        before, self._answered_before = self._answered_before, answered
        self._is_own = before is not None and answered > before
        if self._is_own:
            self._own_failures += 1
        return self._own_failures == 0

    def unavailable(self, error: ServiceUnavailable) -> float | Undeliverable:
        """Decides after a failure before the hand-over; the caller has asked `blames_channel`."""
        if not self._own_failures:
            return 0.0  # the channel's wait is enough
        return self._refused(error, may_end=self._is_own and self._own_failures >= FEWEST_OWN_FAILURES)

    def later(self, error: TryLater) -> float | Undeliverable:
        """Decides after a temporary refusal."""
        self.attempts += 1
        return self._refused(error, may_end=True)

    def lost(self, error: AnswerLost) -> float | Undeliverable:
        """Decides after a hand-over whose outcome nobody knows."""
        self.attempts += 1
        self._lost += 1
        if self._lost > self._settings.delivery_answer_retries:
            return Undeliverable(
                "bounced", "answer_lost", f"handed over {self._lost} times, it may have been taken each time: {error}"
            )
        return self._lost_backoff.failed()

    def _refused(self, error: Exception, *, may_end: bool) -> float | Undeliverable:
        now = time.monotonic()
        if self._refused_since is None:
            self._refused_since = now
        if may_end and now >= self._refused_since + self._settings.delivery_retry_seconds:
            return Undeliverable("bounced", "retries_exhausted", str(error))
        return self._backoff.failed()
