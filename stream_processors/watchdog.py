"""Ends a worker that is behind and makes no progress, however its event loop and consumer are stuck.

Runs on a thread with a Kafka connection of its own: after a broker restart a consumer can hang while it believes
that it is at the end of the log (aiokafka#1154), so its own word for its lag is not enough.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from kafka import KafkaConsumer, TopicPartition

from schemas.kafka_security import security
from schemas.settings import WorkerSettings

log = structlog.get_logger()


class Watched(Protocol):
    """What the watchdog needs of a worker."""

    source: str
    progress_at: float

    def assigned(self) -> list[int]: ...

    def position(self, partition: int) -> int: ...


class Watchdog(threading.Thread):
    """Calls `end` when a worker was behind for `watchdog_seconds` without progress."""

    def __init__(self, workers: Sequence[Watched], settings: WorkerSettings, end: Callable[[str], None]) -> None:
        super().__init__(name="watchdog", daemon=True)
        self.workers, self.settings, self.patience, self.end = workers, settings, settings.watchdog_seconds, end
        self._consumer: KafkaConsumer | None = None
        self._behind_since: dict[str, float] = {}

    def run(self) -> None:
        while True:
            time.sleep(min(5.0, self.patience / 4))
            for worker in self.workers:
                try:
                    self._check(worker, time.monotonic())
                except Exception as error:  # Kafka is away: nothing to be behind of; keep watching
                    log.debug("watchdog cannot ask Kafka", error=str(error))
                    self._consumer = None

    def _check(self, worker: Watched, now: float) -> None:
        behind = self._behind(worker)
        if not behind:
            self._behind_since.pop(worker.source, None)
            return
        since = max(self._behind_since.setdefault(worker.source, now), worker.progress_at)
        if now - since > self.patience:
            self.end(f"{worker.source}: {behind} records behind and no progress for {now - since:.0f} s")

    def _behind(self, worker: Watched) -> int:
        partitions = worker.assigned()
        if not partitions:
            return 0
        if self._consumer is None:
            self._consumer = KafkaConsumer(
                bootstrap_servers=self.settings.kafka_bootstrap_servers.split(","),
                group_id=None,
                **security(self.settings),
            )
        ends = self._consumer.end_offsets([TopicPartition(worker.source, partition) for partition in partitions])
        return sum(max(0, end - worker.position(tp.partition)) for tp, end in ends.items())
