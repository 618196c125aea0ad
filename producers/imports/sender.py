"""Sends an import to Kafka: hands over, waits, counts, saves the position.

Inputs are settled in the order in which they were handed over, so everything before a saved position is durable.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from producers.imports.checkpoint import Checkpoint, Overlap
from producers.imports.report import Report
from producers.publisher import Publisher, Receipt
from schemas.errors import Refused
from schemas.process import Health

__all__ = ["IN_FLIGHT", "Sender", "Sent"]

#: Inputs handed over and not yet confirmed.
IN_FLIGHT = 5_000


@dataclass(frozen=True, slots=True)
class Sent:
    """One input on its way. `position` is saved when it is durable; `refused` is the reason of a dead letter."""

    future: Future[Receipt]
    position: Any
    tag: str
    place: str
    record: int
    own_id: str = ""
    refused: Refused | None = None


class Sender:
    """Waits for Kafka, counts the outcome of every input, and saves the position."""

    def __init__(
        self,
        publisher: Publisher,
        report: Report,
        checkpoint: Checkpoint,
        health: Health,
        remember: Callable[[Any], None],
    ) -> None:
        self._publisher, self._report, self._checkpoint, self._health = publisher, report, checkpoint, health
        self._remember = remember
        self._pending: deque[Sent] = deque()
        self._overlap = Overlap()
        self._position: Any = None

    def add(self, sent: Sent) -> None:
        """Takes an input that was handed over.

        Raises:
            Unavailable: Kafka does not have an earlier one.
        """
        self._pending.append(sent)
        if sent.tag and self._overlap.submitted(sent.tag):
            self.settle(0)
            self.save()
        else:
            self.settle(IN_FLIGHT)
            if self._checkpoint.due():
                self._settle_answered()
                self.save()

    def settle(self, most: int) -> None:
        """Waits until at most so many are on their way.

        Raises:
            Unavailable: Kafka does not have one of them.
        """
        while len(self._pending) > most:
            self._settle_first()

    def _settle_answered(self) -> None:
        pending = self._pending
        while pending and pending[0].future.done():
            self._settle_first()

    def _settle_first(self) -> None:
        sent = self._pending[0]
        receipt = self._publisher.wait(sent.future)
        self._pending.popleft()
        self._count(sent, receipt)
        if sent.tag:
            self._overlap.settled(sent.tag)
        self._position = sent.position
        self._health.beat()

    def save(self) -> None:
        """Remembers what is settled."""
        if self._position is not None:
            self._remember(self._position)
        self._overlap.saved()

    def _count(self, sent: Sent, receipt: Receipt) -> None:
        self._report.outcomes[receipt.outcome] += 1
        if receipt.reason:
            refused = sent.refused or Refused(receipt.reason)
            self._report.refuse(sent.place, sent.record, sent.own_id, refused)
