"""A Kafka client in memory for the publisher: takes each record at once, and checks what a worker relies on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from producers.publisher import Publisher, Receipt
from schemas import codec, metrics
from schemas.dead_letter import headers as dead_letter_headers
from schemas.settings import ProducerSettings

__all__ = ["Balance", "MemoryKafka", "publisher_in_memory", "received"]


class _Sent:
    """The future of one record, which is there already."""

    def add_callback(self, callback: Callable[[Any], Any]) -> None:
        callback(None)

    def add_errback(self, callback: Callable[[BaseException], Any]) -> None:
        """Does nothing: no record is lost."""

    def get(self, timeout: float | None = None) -> None:
        """Returns at once."""


class MemoryKafka:
    """Takes records, and fails when one could not be read again.

    last     the events since the last `clear`
    defects  the tracebacks of dead letters that a mistake of ours made
    """

    def __init__(self) -> None:
        self.last: list[Any] = []
        self.defects: list[str] = []

    def send(
        self, topic: str, value: bytes, key: bytes | None = None, headers: Sequence[tuple[str, bytes]] = (), *_: Any
    ) -> _Sent:
        if topic.endswith(".dlq"):
            story = dead_letter_headers.read(headers)
            assert story["reason"] and story["stage"], story
            if story["reason"] == "defect":
                self.defects.append(story.get("traceback", ""))
        else:
            event = codec.decode(value)
            assert key, "an event without a key"
            self.last.append(event)
        return _Sent()

    def clear(self) -> list[Any]:
        """Returns the events since the last call; fails when a mistake of ours was met."""
        found, defects, self.last, self.defects = self.last, self.defects, [], []
        assert not defects, defects[0]
        return found

    def partitions_for(self, topic: str) -> set[int]:
        return {0}

    def close(self, timeout: float | None = None) -> None:
        """Does nothing."""


def publisher_in_memory(settings: ProducerSettings) -> tuple[Publisher, MemoryKafka]:
    """Returns a publisher that is connected to a Kafka in memory."""
    publisher, kafka = Publisher(settings), MemoryKafka()
    publisher._connection.client = kafka
    return publisher, kafka


def received(future: Future[Receipt]) -> Receipt:
    """Returns the receipt of what was submitted: it is there, for no record waits."""
    assert future.done(), "nothing ends this future"
    return future.result()


class Balance:
    """The counters of this process: received, published, duplicates and dead letters, of all channels."""

    NAMES = ("received", "published", "duplicates", "dead_lettered")
    _FAMILIES = (
        metrics.CONTACTS_RECEIVED,
        metrics.CONTACTS_PUBLISHED,
        metrics.CONTACTS_DUPLICATE,
        metrics.CONTACTS_DEAD_LETTERED,
    )

    @classmethod
    def now(cls) -> tuple[int, ...]:
        """Returns the four sums."""
        return tuple(
            int(
                sum(
                    sample.value
                    for family in each.collect()
                    for sample in family.samples
                    if sample.name.endswith("_total")
                )
            )
            for each in cls._FAMILIES
        )
