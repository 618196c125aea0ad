"""Parts of the publisher without Kafka: ids that were published, records on their way, a client that is lost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError

from producers.publishing import deliveries as deliveries_module
from producers.publishing import published_ids
from producers.publishing.connection import Connection
from producers.publishing.deliveries import Deliveries, Delivery
from producers.publishing.published_ids import PublishedIds
from producers.publishing.receipts import Outcome, Receipt
from schemas.errors import Unavailable
from schemas.settings import ProducerSettings


class Sent:
    """The future of the client, answered when a test says so."""

    def __init__(self) -> None:
        self.landed: Callable[[object], None]
        self.failed: Callable[[BaseException], None]

    def add_callback(self, callback: Callable[[object], None]) -> None:
        self.landed = callback

    def add_errback(self, callback: Callable[[BaseException], None]) -> None:
        self.failed = callback


class Client:
    """A client that keeps what it was handed, and answers nothing by itself."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.refuses: Exception | None = None
        self.closed_with: float | None = None

    def send(self, *_: Any) -> Sent:
        if self.refuses is not None:
            raise self.refuses
        self.sent.append(Sent())
        return self.sent[-1]

    def close(self, timeout: float) -> None:
        self.closed_with = timeout


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def deliveries(client: Client) -> Deliveries:
    connection = Connection(ProducerSettings(publish_timeout_seconds=2.0), 0)
    connection.client = client
    return Deliveries(connection, PublishedIds())


def send(deliveries: Deliveries, event_id: str = "E1", value: bytes = b"12345") -> Future[Receipt]:
    result: Future[Receipt] = Future()
    assert deliveries.ids.claim(event_id, result) is None
    delivery = Delivery(deliveries, result, "chat", Receipt(Outcome.PUBLISHED, event_id))
    deliveries.send(delivery, "contact-events", b"K", value, [])
    return result


def waiting(deliveries: Deliveries) -> tuple[int, int]:
    return deliveries.records, deliveries.size_bytes


def test_what_waits_is_counted_in_records_and_bytes_until_it_is_answered(
    deliveries: Deliveries, client: Client
) -> None:
    first, second = send(deliveries, "E1", b"12345"), send(deliveries, "E2", b"123")
    assert waiting(deliveries) == (2, 8)
    client.sent[0].landed(None)
    assert waiting(deliveries) == (1, 3)
    assert first.result(0) == Receipt(Outcome.PUBLISHED, "E1")
    client.sent[1].failed(KafkaTimeoutError("late"))
    assert waiting(deliveries) == (0, 0)
    with pytest.raises(Unavailable, match=r"does not answer: KafkaTimeoutError: late"):
        second.result(0)


def test_a_published_id_is_taken_and_one_that_failed_is_free(deliveries: Deliveries, client: Client) -> None:
    send(deliveries, "landed"), send(deliveries, "lost")
    client.sent[0].landed(None)
    client.sent[1].failed(KafkaTimeoutError())
    twin = deliveries.ids.claim("landed", Future())
    assert twin is not None and twin.result(0).event_id == "landed"
    assert deliveries.ids.claim("lost", Future()) is None


def test_what_a_lost_client_never_answers_is_given_up(deliveries: Deliveries, client: Client) -> None:
    failed, silent = send(deliveries, "E1"), send(deliveries, "E2")
    client.sent[0].failed(KafkaTimeoutError())
    assert deliveries.connection.client is None
    with pytest.raises(Unavailable, match="it fell silent"):
        silent.result(10)
    assert failed.done() and waiting(deliveries) == (0, 0)
    assert client.closed_with == 7.0, "its time to deliver, and the time to connect"
    client.sent[1].landed(None)  # after all
    assert waiting(deliveries) == (0, 0)


def test_a_record_that_the_client_refuses_waits_for_nothing(deliveries: Deliveries, client: Client) -> None:
    client.refuses = KafkaTimeoutError("no metadata")
    with pytest.raises(Unavailable, match="no metadata"):
        send(deliveries).result(0)
    assert waiting(deliveries) == (0, 0) and deliveries.connection.client is None


def test_an_asynchronous_caller_needs_a_connection_and_room(
    deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries_module, "MAX_WAITING", 2)
    monkeypatch.setattr(deliveries_module, "MAX_WAITING_BYTES", 20)
    send(deliveries, "E1", b"x" * 19)
    deliveries.require_room()
    send(deliveries, "E2", b"")
    with pytest.raises(Unavailable, match="2 events are waiting"):
        deliveries.require_room()
    monkeypatch.setattr(deliveries_module, "MAX_WAITING", 3)
    deliveries.require_room()
    monkeypatch.setattr(deliveries_module, "MAX_WAITING_BYTES", 19)
    with pytest.raises(Unavailable, match="19 bytes are waiting"):
        deliveries.require_room()
    deliveries.connection.client = None
    with pytest.raises(Unavailable, match="not connected") as raised:
        deliveries.require_room()
    assert raised.value.retry_after == 5.0


def test_a_twin_on_its_way_is_followed_and_the_newest_ids_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_ids, "REMEMBERED_IDS", 2)
    ids, first = PublishedIds(), Future[Receipt]()
    assert ids.claim("E1", first) is None
    assert ids.claim("E1", Future()) is first
    ids.release("E1", published=True)
    ids.remember("E2")
    assert ids.claim("E1", Future()) is not None  # which makes it the newest
    ids.remember("E3")
    assert ids.claim("E2", Future()) is None
    assert ids.claim("E1", Future()) is not None and ids.claim("E3", Future()) is not None
