"""Caps acknowledgements to addresses and accounts that have heard nothing of us, over all sinks together.

Whoever types strangers' addresses into forms makes us write to them. The texts are fixed, each address gets one, and here is
how many there may be: a token bucket in pipeline time. Machines, and people who mean harm, may have ever new numbers and accounts
on SMS and social networks, so these have a bucket each: a flood on one holds back nobody elsewhere. A sink with a share of the
partitions has that share of it. What is above it is a dead letter (`first_time_cap`) and a fact of that outcome, which a person
may replay; the ticket is there in any case.
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
_BUCKETS = ("email", "sms", "social")


def begin_at_zero() -> None:
    """Lets both counts begin at 0."""
    for outcome in ("let_through", "held_back"):
        for bucket in _BUCKETS:
            FIRST_TIME_RECIPIENTS.labels(bucket, outcome)


class FirstTimeCap:
    """Holds the tokens of one sink: of mail, SMS and social networks. `now` is in pipeline micros."""

    def __init__(self, settings: SinkSettings) -> None:
        accounts = settings.delivery_first_time_accounts_per_minute
        rates = {"email": settings.delivery_first_time_per_minute, "sms": accounts, "social": accounts}
        self._buckets = {name: _Bucket(rate, settings.partitions) for name, rate in rates.items()}

    def refusal(self, message: Outbound, assigned: int, now: int) -> Undeliverable | None:
        """Takes a token for a message to a first-time recipient; returns why it is held back when there is none.

        `assigned` counts the partitions of this sink.
        """
        if not message.first_time:
            return None
        name = message.channel if message.channel in self._buckets else "email"
        bucket = self._buckets[name]
        if not bucket.take(assigned, now):
            FIRST_TIME_RECIPIENTS.labels(name, "held_back").inc()
            detail = f"more than {bucket.per_minute:g} first-time recipients a minute ({name})"
            return Undeliverable("refused", "first_time_cap", detail)
        FIRST_TIME_RECIPIENTS.labels(name, "let_through").inc()
        return None


class _Bucket:
    """Holds the tokens of one channel."""

    def __init__(self, per_minute: float, partitions: int) -> None:
        self.per_minute, self._partitions = per_minute, partitions
        self._tokens = -1.0
        self._at = 0

    def take(self, assigned: int, now: int) -> bool:
        """Takes a token; returns false when there is none."""
        rate = self.per_minute * max(1, min(assigned, self._partitions)) / self._partitions
        most = max(1.0, rate * BURST_MINUTES)
        refilled = max(0, now - self._at) / _MINUTE * rate
        self._tokens = most if self._tokens < 0 else min(most, self._tokens + refilled)
        self._at = max(self._at, now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
