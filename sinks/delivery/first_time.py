"""Caps acknowledgements to addresses that have heard nothing of us and did not prove themselves, over all sinks together.

Whoever types strangers' addresses into forms makes us write to them. The texts are fixed, each address gets one, and here is
how many there may be: a token bucket in pipeline time. A sink with a share of the partitions has that share of it. What is
above it is a dead letter (`first_time_cap`), which a person may replay; the ticket is there in any case.
"""

from __future__ import annotations

from schemas.clock import MICROS
from schemas.facts import Outbound
from schemas.metrics import FIRST_TIME_RECIPIENTS
from schemas.settings import SinkSettings
from sinks.delivery.adapter import Undeliverable

__all__ = ["BURST_MINUTES", "FirstTimeCap", "begin_at_zero"]

#: A quiet deployment may send so many minutes' worth at once.
BURST_MINUTES = 10
_MINUTE = 60 * MICROS


def begin_at_zero() -> None:
    """Lets both counts begin at 0."""
    for outcome in ("let_through", "held_back"):
        FIRST_TIME_RECIPIENTS.labels(outcome)


class FirstTimeCap:
    """Holds the tokens of one sink; `now` is in pipeline micros."""

    def __init__(self, settings: SinkSettings) -> None:
        self._per_minute, self._partitions = settings.delivery_first_time_per_minute, settings.partitions
        self._tokens = -1.0
        self._at = 0

    def refusal(self, message: Outbound, assigned: int, now: int) -> Undeliverable | None:
        """Takes a token for a message to a first-time recipient; returns why it is held back when there is none.

        `assigned` counts the partitions of this sink.
        """
        if not message.first_time:
            return None
        rate = self._per_minute * max(1, min(assigned, self._partitions)) / self._partitions
        most = max(1.0, rate * BURST_MINUTES)
        refilled = max(0, now - self._at) / _MINUTE * rate
        self._tokens = most if self._tokens < 0 else min(most, self._tokens + refilled)
        self._at = max(self._at, now)
        if self._tokens < 1:
            FIRST_TIME_RECIPIENTS.labels("held_back").inc()
            detail = f"more than {self._per_minute:g} first-time recipients a minute"
            return Undeliverable("refused", "first_time_cap", detail)
        self._tokens -= 1
        FIRST_TIME_RECIPIENTS.labels("let_through").inc()
        return None
