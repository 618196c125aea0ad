"""Records on their way to Kafka: handed to the client, counted until they are answered, given up with a lost client."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from typing import Any

from kafka.errors import KafkaError

from producers.publishing.connection import Connection
from producers.publishing.published_ids import PublishedIds
from producers.publishing.receipts import Outcome, Receipt, count, observe_seconds
from schemas.dead_letter.headers import Headers
from schemas.errors import Unavailable
from schemas.text import error_line

__all__ = ["MAX_WAITING", "MAX_WAITING_BYTES", "Deliveries", "Delivery"]

#: More events than this waiting for Kafka: an asynchronous caller is told to come back.
MAX_WAITING = 20_000
#: ... and more bytes of them, or a silent Kafka and large inputs would take all of a container's memory.
MAX_WAITING_BYTES = 64_000_000


class Deliveries:
    """Sends records through the connection's client and knows which of them are not answered yet.

    records, size_bytes  of what waits for an answer
    landed_at            when Kafka took the last record, seconds of `perf_counter`
    """

    def __init__(self, connection: Connection, ids: PublishedIds) -> None:
        self.connection, self.ids = connection, ids
        self.records = self.size_bytes = 0
        self.landed_at = 0.0
        self._lock = threading.Lock()
        self._in_flight: dict[int, set[Delivery]] = {}  # by id of the client that they were handed to

    def send(self, delivery: Delivery, topic: str, key: bytes | None, value: bytes, headers: Headers) -> None:
        """Hands a record to Kafka's client; connects first when needed. Its future ends sooner or later."""
        try:
            client = self.connection.client
            if client is None:
                client = self.connection.connect()
            delivery.client = client
            sent = client.send(topic, value, key, headers)
        except (KafkaError, Unavailable) as error:
            delivery.failed(error)
            return
        self._add(delivery, len(value))
        sent.add_callback(delivery.landed)
        sent.add_errback(delivery.failed)

    def require_room(self) -> None:
        """Accepts one more input of a caller that must not block.

        Raises:
            Unavailable: not connected, or too much waits for Kafka already.
        """
        if self.connection.client is None:
            raise self.connection.no_answer("not connected")
        if self.records >= MAX_WAITING:
            raise self.connection.no_answer(f"{self.records} events are waiting for it")
        if self.size_bytes >= MAX_WAITING_BYTES:
            raise self.connection.no_answer(f"{self.size_bytes} bytes are waiting for it")

    def stalled_seconds(self) -> float:
        """Returns how long the oldest record waits while Kafka has taken none; 0 while it takes them."""
        with self._lock:
            oldest = min((each.started for waiting in self._in_flight.values() for each in waiting), default=None)
        if oldest is None:
            return 0.0
        return time.perf_counter() - max(oldest, self.landed_at)

    def settled(self, delivery: Delivery, *, published: bool) -> None:
        """Notes that a delivery waits no longer."""
        if delivery.counted:
            with self._lock:
                self.records -= 1
                self.size_bytes -= delivery.size_bytes
                self._in_flight.get(id(delivery.client), set()).discard(delivery)
        if delivery.receipt.event_id:
            self.ids.release(delivery.receipt.event_id, published=published)

    def lost(self, client: Any) -> None:
        """Replaces a client that lost a record; what it leaves without an answer is given up."""
        self.connection.replace(client, lambda: self._give_up(client))

    def _add(self, delivery: Delivery, size_bytes: int) -> None:
        delivery.size_bytes, delivery.counted = size_bytes, True
        with self._lock:
            self.records += 1
            self.size_bytes += size_bytes
            self._in_flight.setdefault(id(delivery.client), set()).add(delivery)

    def _give_up(self, client: Any) -> None:
        with self._lock:
            left = self._in_flight.pop(id(client), set())
        for delivery in left:
            delivery.failed(self.connection.no_answer("it fell silent"))


class Delivery:
    """One record on its way; its methods are called on the client's thread. `started`: seconds of `perf_counter`."""

    __slots__ = ("_channel", "_deliveries", "client", "counted", "receipt", "result", "size_bytes", "started")

    def __init__(self, deliveries: Deliveries, result: Future[Receipt], channel: str, receipt: Receipt) -> None:
        self._deliveries, self._channel, self.started = deliveries, channel, time.perf_counter()
        self.result, self.receipt = result, receipt
        self.client: Any = None
        self.counted = False
        self.size_bytes = 0

    def landed(self, _: object) -> None:
        """Ends the future in its receipt, unless it was given up before."""
        if self.result.done():
            return  # given up, and it arrived after all: the next attempt is a duplicate for the workers
        self._deliveries.landed_at = time.perf_counter()
        self._deliveries.settled(self, published=self.receipt.outcome is Outcome.PUBLISHED)
        count(self._channel, self.receipt)
        observe_seconds(self._channel, time.perf_counter() - self.started)
        self.result.set_result(self.receipt)

    def failed(self, error: BaseException) -> None:
        """Ends the future in `Unavailable`, and lets go of the client that lost the record."""
        if self.result.done():
            return
        self._deliveries.settled(self, published=False)
        if self.client is not None:
            self._deliveries.lost(self.client)
        if not isinstance(error, Unavailable):
            error = self._deliveries.connection.no_answer(error_line(error))
        self.result.set_exception(error)
