"""Receipts: what became of an input, and how that is counted.

For every input exactly one of published, duplicate and dead-lettered is counted, at the moment it is durable, so
`received = published + duplicates + dead-lettered` always holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from schemas import metrics
from schemas.events import CHANNELS

__all__ = ["NO_CHANNEL", "Outcome", "Receipt", "begin_at_zero", "count", "observe_seconds", "published"]

#: The metric label of events that belong to no channel (an agent's note, a presence).
NO_CHANNEL = "none"


class Outcome(StrEnum):
    """Names what became of an input."""

    PUBLISHED = "published"
    DUPLICATE = "duplicate"
    DEAD_LETTERED = "dead_lettered"


@dataclass(frozen=True, slots=True)
class Receipt:
    """Says what became of one input. `reason` says why it was dead-lettered."""

    outcome: Outcome
    event_id: str = ""
    reason: str = ""


def begin_at_zero() -> None:
    """Lets the counters of every channel begin at 0: a rule sees the first input of a channel, and its loss."""
    for channel in (*CHANNELS, NO_CHANNEL):
        _counters(channel)
        metrics.CONTACTS_DEAD_LETTERED.labels(channel, "defect")
        metrics.CONTACTS_REFUSED.labels(channel, "unavailable")


def count(channel: str, receipt: Receipt) -> None:
    """Counts an input as received, and as what its receipt says."""
    received, published, duplicate, _ = _counters(channel)
    received.inc()
    if receipt.outcome is Outcome.PUBLISHED:
        published.inc()
    elif receipt.outcome is Outcome.DUPLICATE:
        duplicate.inc()
    else:
        metrics.CONTACTS_DEAD_LETTERED.labels(channel or NO_CHANNEL, receipt.reason).inc()


def published() -> int:
    """Returns how many inputs this process published so far, on all channels."""
    [family] = metrics.CONTACTS_PUBLISHED.collect()
    return int(sum(sample.value for sample in family.samples if sample.name.endswith("_total")))


def observe_seconds(channel: str, seconds: float) -> None:
    """Notes how long Kafka took to acknowledge an input."""
    _counters(channel)[3].observe(seconds)


@cache
def _counters(channel: str) -> tuple[Any, Any, Any, Any]:
    """Returns received, published, duplicate and seconds of a channel: looking them up costs more than counting."""
    families = (
        metrics.CONTACTS_RECEIVED,
        metrics.CONTACTS_PUBLISHED,
        metrics.CONTACTS_DUPLICATE,
        metrics.PUBLISH_SECONDS,
    )
    received, published, duplicate, seconds = (family.labels(channel or NO_CHANNEL) for family in families)
    return received, published, duplicate, seconds
