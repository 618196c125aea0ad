"""Runs a sink on a thread of the test, so that the test sees its health and its state."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from tests.support.timeouts import eventually

Sink = TypeVar("Sink", bound=Any)


class SinkThread(Generic[Sink]):
    """Holds a running sink; `stop()` asks it to end, as SIGTERM does."""

    def __init__(self, make: Callable[[], Sink]) -> None:
        self._made: list[Any] = []

        async def run() -> None:
            made = make()
            self._made.extend((asyncio.get_running_loop(), made))
            await made.run()

        self.thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
        self.thread.start()
        eventually(lambda: len(self._made) == 2, "the sink")
        self.sink: Sink = self._made[1]

    def stop(self) -> None:
        self._made[0].call_soon_threadsafe(self.sink.stop)


@contextmanager
def running(make: Callable[[], Sink]) -> Iterator[Sink]:
    """Runs what `make` returns for the time of a block, and lets it drain."""
    started = SinkThread(make)
    try:
        yield started.sink
    finally:
        started.stop()
        started.thread.join(60)
        assert not started.thread.is_alive(), "it ends when it is told to"
