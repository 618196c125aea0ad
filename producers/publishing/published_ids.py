"""Remembers the event ids that Kafka has or will have soon, so that what a source delivers twice is a duplicate."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future

from producers.publishing.receipts import Outcome, Receipt

__all__ = ["REMEMBERED_IDS", "PublishedIds"]

#: Event ids remembered in order to count what a source delivers twice; later ones are dropped downstream.
REMEMBERED_IDS = 100_000


class PublishedIds:
    """Remembers the newest event ids that were published, and those on their way with their futures. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._published: OrderedDict[str, None] = OrderedDict()
        self._on_their_way: dict[str, Future[Receipt]] = {}

    def claim(self, event_id: str, result: Future[Receipt]) -> Future[Receipt] | None:
        """Returns None when the id is new and now belongs to `result`; otherwise the future of its twin.

        The twin's future is done already if the event was published.
        """
        with self._lock:
            if event_id in self._published:
                self._published.move_to_end(event_id)
                done: Future[Receipt] = Future()
                done.set_result(Receipt(Outcome.PUBLISHED, event_id))
                return done
            twin = self._on_their_way.setdefault(event_id, result)
            return None if twin is result else twin

    def release(self, event_id: str, *, published: bool) -> None:
        """Notes that an id is no longer on its way; unless it was published, it may be claimed again."""
        with self._lock:
            self._on_their_way.pop(event_id, None)
            if published:
                self._remember(event_id)

    def remember(self, event_id: str) -> None:
        """Notes that Kafka has this event, as its log says: offered again, it is a duplicate."""
        with self._lock:
            self._remember(event_id)

    def _remember(self, event_id: str) -> None:
        self._published[event_id] = None
        if len(self._published) > REMEMBERED_IDS:
            self._published.popitem(last=False)
