"""Directories on servers: they are slow, fail, and come back."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from socket import SHUT_RDWR
from typing import Any

import pytest

from producers.customers import directory
from producers.customers.enrichment import Enricher
from producers.customers.http_directory import REQUESTS_AT_ONCE, HttpDirectory
from producers.customers.identities import Identities
from producers.customers.profiles import Profile
from producers.publisher import Publisher
from schemas.events import MessageReceived
from schemas.identity import customer_tag
from schemas.settings import ProducerSettings
from tests.conftest import Deployment
from tests.support.producers.crm_server import Crm, Handler, MovableClock, counted, found, message, slowly
from tests.support.producers.log_reader import events
from tests.support.timeouts import eventually

BRITISH = Identities("GB")
ANN = Profile("ext:4711", "Ann Lee", "ja", "Asia/Tokyo", "gold")


@pytest.fixture
def crm() -> Iterator[Crm]:
    with Crm() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def known(crm: Crm, clock: MovableClock) -> Iterator[HttpDirectory]:
    """A directory with a timeout that no answer of a busy machine exceeds."""
    with closing(HttpDirectory(crm.url, BRITISH, token="t0p", timeout=30, clock=clock, cached=3)) as known:
        yield known


@pytest.fixture
def hasty(crm: Crm) -> Iterator[HttpDirectory]:
    """A directory with the usual timeout, for servers that exceed it."""
    with closing(HttpDirectory(crm.url, BRITISH, timeout=0.3)) as known:
        yield known


def within(seconds: float, work: Callable[[int], None]) -> None:
    """It takes no longer: once is enough, for the machine may be busy. `work` is called with the number of the attempt."""
    took = float("inf")
    for attempt in range(4):  # a directory that failed five times is not asked again
        began = time.monotonic()
        work(attempt)
        if (took := time.monotonic() - began) < seconds:
            return
    pytest.fail(f"took {took:.1f} s the fourth time")


def test_a_server_is_asked_once_for_a_customer(crm: Crm, known: HttpDirectory) -> None:
    crm.answer = lambda handler: handler.say(
        200, {"customer_id": "4711", "name": " Ann\nLee ", "language": "ja", "time_zone": "Asia/Tokyo", "tier": "Gold"}
    )
    before = counted("cached")
    assert found(known) == found(known) == ANN
    assert crm.asked == ["email:ann@example.org"]
    assert crm.headers[0]["Authorization"] == "Bearer t0p"
    assert counted("cached") == before + 1


def test_the_address_is_quoted_into_the_url(crm: Crm) -> None:
    url = crm.url.replace("{customer_id}", "{address}")
    with closing(HttpDirectory(url, BRITISH)) as known:
        found(known, "email:a&b=c/../d@example.org")
    assert crm.asked == ["a&b=c/../d@example.org"]


def test_many_look_ups_of_one_customer_make_one_request(crm: Crm, known: HttpDirectory) -> None:
    released = threading.Event()
    crm.answer = slowly(60, released)
    futures = [known.ask("email:ann@example.org") for _ in range(50)]
    eventually(lambda: crm.asked)
    released.set()
    assert {future.result(60).customer_id for future in futures} == {"ext:4711"}
    assert len(crm.asked) == 1


def test_that_there_is_nobody_is_remembered_for_a_shorter_time(
    crm: Crm, known: HttpDirectory, clock: MovableClock
) -> None:
    crm.answer = lambda handler: handler.say(404, b"")
    assert found(known) == found(known) == Profile()
    assert len(crm.asked) == 1
    clock.ahead = 61
    found(known)
    assert len(crm.asked) == 2


def test_an_answer_is_asked_for_again_when_it_is_old(crm: Crm, known: HttpDirectory, clock: MovableClock) -> None:
    found(known)
    clock.ahead = 301
    crm.answer = lambda handler: handler.say(200, {"id": "ext:9"})
    assert found(known).customer_id == "ext:9"


def test_the_cache_is_bounded(crm: Crm, known: HttpDirectory) -> None:
    for number in (1, 2, 3, 4, 1):
        found(known, f"chat:{number}")
    assert crm.asked == ["chat:1", "chat:2", "chat:3", "chat:4", "chat:1"]


@pytest.mark.parametrize(
    "answer",
    [
        lambda handler: handler.say(500, b"oops"),
        lambda handler: handler.say(302, b""),
        lambda handler: handler.say(200, b"<html>"),
        lambda handler: handler.say(200, ["Ann"]),
        lambda handler: handler.say(200, {"time_zone": "Mars/Base"}),
        lambda handler: handler.say(200, b'"' + b"x" * 100_000 + b'"'),
        lambda handler: handler.connection.shutdown(SHUT_RDWR),
    ],
)
def test_an_answer_that_makes_no_sense_is_no_answer(
    crm: Crm, known: HttpDirectory, answer: Callable[[Handler], None]
) -> None:
    crm.answer = answer
    before = counted("error")
    assert found(known) == Profile()
    assert counted("error") == before + 1


def test_an_older_answer_counts_while_the_server_fails(crm: Crm, known: HttpDirectory, clock: MovableClock) -> None:
    assert found(known).customer_id == "ext:4711"
    clock.ahead = 301
    crm.answer = lambda handler: handler.say(500, b"")
    assert found(known).customer_id == "ext:4711"


def test_a_server_that_fails_is_left_alone_and_tried_again(crm: Crm, known: HttpDirectory, clock: MovableClock) -> None:
    crm.answer = lambda handler: handler.say(503, b"")
    for number in range(8):
        assert found(known, f"chat:{number}") == Profile()
    assert len(crm.asked) == 5
    crm.answer = lambda handler: handler.say(200, {"id": 1})
    assert found(known, "chat:9") == Profile()
    clock.ahead = 11
    assert found(known, "chat:9").customer_id == "ext:1"
    assert found(known, "chat:10").customer_id == "ext:1"


def test_a_server_that_is_not_there_costs_nothing_much() -> None:
    with closing(HttpDirectory("http://127.0.0.1:9/{address}", BRITISH)) as known:
        enricher = Enricher(BRITISH, known)

        def fifty(_: int) -> None:
            assert [enricher(message(number=number)) for number in range(50)] == [message(number=n) for n in range(50)]

        within(3, fifty)


def test_nobody_waits_longer_than_the_timeout(crm: Crm, hasty: HttpDirectory) -> None:
    released = threading.Event()
    crm.answer = slowly(60, released)
    enricher, before = Enricher(BRITISH, hasty), counted("timeout") + counted("error")

    def wait(attempt: int) -> None:
        asked = message(f"chat:{attempt}")
        began = time.monotonic()
        assert enricher(asked) == asked
        assert attempt or time.monotonic() - began > 0.2

    within(1.5, wait)
    assert counted("timeout") + counted("error") > before
    released.set()


def test_a_look_up_that_timed_out_in_the_queue_is_not_sent(crm: Crm, clock: MovableClock) -> None:
    released = threading.Event()
    crm.answer = slowly(5, released)
    with closing(HttpDirectory(crm.url, BRITISH, timeout=3.0, clock=clock)) as known:
        busy = [known.ask(f"email:c{number}@example.org") for number in range(REQUESTS_AT_ONCE)]
        eventually(lambda: len(crm.asked) == len(busy))
        late = known.ask("email:ann@example.org")
        clock.ahead = 10.0
        released.set()
        assert late.result(5) == Profile()
    assert "email:ann@example.org" not in crm.asked


def test_an_answer_that_trickles_ends_as_well(crm: Crm, hasty: HttpDirectory) -> None:
    done = threading.Event()

    def trickle(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        for _ in range(1000):
            if done.wait(0.02):
                return
            try:
                handler.wfile.write(b" ")
            except OSError:
                return

    crm.answer = trickle
    within(2, lambda attempt: found(hasty, f"chat:{attempt}") == Profile() or pytest.fail("that was no answer"))
    done.set()


def test_a_slow_server_does_not_block_the_event_loop(crm: Crm) -> None:
    released = threading.Event()
    crm.answer = slowly(60, released)
    beats, customers = 0, [f"chat:{number}" for number in range(100)]

    async def many(enricher: Enricher) -> None:

        async def beat() -> None:
            nonlocal beats
            while True:
                beats += 1
                await asyncio.sleep(0.005)

        beating = asyncio.create_task(beat())
        made = await asyncio.gather(*(enricher.later(message(customer)) for customer in customers))
        beating.cancel()
        assert [each.customer_tag for each in made] == [customer_tag(customer) for customer in customers]

    def wait(_: int) -> None:
        with closing(HttpDirectory(crm.url, BRITISH, timeout=0.3)) as hasty:
            asyncio.run(many(Enricher(BRITISH, hasty)))

    within(2, wait)
    released.set()
    assert beats > 10


# -- on the way to Kafka ----------------------------------------------------------------------------------------------


@pytest.mark.stack
def test_contacts_reach_kafka_while_the_directory_hangs(deployment: Deployment, crm: Crm) -> None:
    released, slow = threading.Event(), threading.Event()

    def sometimes(handler: Handler) -> None:
        if slow.is_set():
            released.wait(60)
        handler.say(200, {"id": "4711"})

    crm.answer = sometimes
    settings = deployment.settings(ProducerSettings, directory_url=crm.url)
    patient = settings.model_copy(update={"directory_timeout_seconds": 10.0})
    with closing(directory.enricher(patient)) as enrich, Publisher(settings, enrich=enrich) as publisher:
        publisher.publish(message("chat:1"))
        asyncio.run(publisher.publish_async(message("chat:2")))
    slow.set()
    with (
        closing(directory.enricher(settings)) as enrich,
        Publisher(settings, enrich=enrich) as publisher,
        ThreadPoolExecutor(8) as pool,
    ):
        list(pool.map(publisher.publish, [message(f"chat:{number}") for number in range(3, 11)]))
        receipts = asyncio.run(_publish_all(publisher, [message(f"chat:{number}") for number in range(11, 31)]))
        released.set()
    assert len(receipts) == 20
    tags = {event.event_id: event.customer_tag for event in events(deployment)}
    assert tags == {
        f"Echat:{number}1": customer_tag("ext:4711" if number < 3 else f"chat:{number}") for number in range(1, 31)
    }


async def _publish_all(publisher: Publisher, contacts: list[MessageReceived]) -> list[Any]:
    return await asyncio.gather(*(publisher.publish_async(each) for each in contacts))


@pytest.mark.parametrize(("more", "name"), [(0, "Ann Lee"), (1, "")])
def test_an_answer_has_so_many_bytes_at_most(crm: Crm, known: HttpDirectory, more: int, name: str) -> None:
    answer = b'{"customer_id": "4711", "name": "Ann Lee"}'
    crm.answer = lambda handler: handler.say(200, answer + b" " * (65_536 - len(answer) + more))
    assert found(known).name == name


def test_an_answer_is_kept_for_five_minutes_unless_told_otherwise(crm: Crm, clock: MovableClock) -> None:
    with closing(HttpDirectory(crm.url, BRITISH, timeout=30, clock=clock)) as directory:
        for ahead, asked in ((0.0, 1), (240.0, 1), (300.1, 2)):
            clock.ahead = ahead
            found(directory)
            assert len(crm.asked) == asked
