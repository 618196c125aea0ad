"""Watches whether Kafka answers a process, for its /readyz."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from schemas.process import Health

__all__ = ["ANSWER_SECONDS", "ASK_SECONDS", "KafkaWatch"]

ASK_SECONDS, ANSWER_SECONDS, WRITE_SECONDS = 2.0, 3.0, 5.0
#: One of several brokers may be silent until another takes its place.
MOST_UNANSWERED = 1

log = structlog.get_logger()


class KafkaWatch:
    """Asks Kafka every two seconds, and knows which writes wait; sets and clears `health.unready`.

    Kafka's silence shows within 10 s. It is no reason for a restart: the process waits and goes on by itself.

    ask         returns when a broker has answered; it may raise, and it may be cancelled
    counts      tells `health.kafka`, which counts the seconds without Kafka
    while_away  is called every two seconds while nothing can be taken
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[Any]],
        health: Health,
        *,
        counts: bool = True,
        while_away: Callable[[], None] = lambda: None,
    ) -> None:
        self._ask, self._health, self._counts, self._while_away = ask, health, counts, while_away
        self._waiting: dict[object, float] = {}
        self._unanswered = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to ask; the client has been started."""
        self._task = asyncio.create_task(self.run())

    def stop(self) -> None:
        """Asks no more."""
        if self._task is not None:
            self._task.cancel()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Surrounds a write or commit, which Kafka takes within five seconds when it is well."""
        write = object()
        self._waiting[write] = time.monotonic()
        try:
            yield
        finally:
            del self._waiting[write]

    def problem(self) -> str:
        """Returns why nothing can be taken now; '' when Kafka is well."""
        if self._unanswered > MOST_UNANSWERED:
            return "Kafka does not answer"
        oldest = min(self._waiting.values(), default=None)
        if oldest is not None and (seconds := time.monotonic() - oldest) > WRITE_SECONDS:
            return f"Kafka has not taken a write for {seconds:.0f} s"
        return ""

    async def run(self) -> None:
        """Asks until it is cancelled."""
        while True:
            try:
                await asyncio.wait_for(self._ask(), ANSWER_SECONDS)
                self._unanswered = 0
            except Exception:  # whatever the client raises, Kafka did not answer it
                self._unanswered += 1
            was, self._health.unready = self._health.unready, self.problem()
            if self._health.unready:
                self._while_away()
            if self._counts:
                self._health.kafka.silent() if self._health.unready else self._health.kafka.heard()
            if bool(was) != bool(self._health.unready):
                log.warning("kafka_away", problem=self._health.unready) if not was else log.info("kafka_back")
            await asyncio.sleep(ASK_SECONDS)
