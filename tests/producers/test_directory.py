"""The directory: files that change and are wrong in places, servers that are slow, fail, and come back."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from structlog.testing import capture_logs

from producers.customers import directory
from producers.customers.directory import CsvDirectory, HttpDirectory
from producers.customers.enrichment import Enricher, Profile
from producers.customers.identities import Identities
from producers.publisher import Publisher
from schemas import metrics
from schemas.errors import ConfigurationError
from schemas.events import MessageReceived
from schemas.identity import customer_tag
from schemas.settings import ProducerSettings
from tests.conftest import Deployment
from tests.support.producers.log_reader import events
from tests.support.timeouts import eventually

BRITISH = Identities("GB")
HEADER = "address,customer_id,name,language,time_zone,tier\n"
ANN = Profile("ext:4711", "Ann Lee", "ja", "Asia/Tokyo", "gold")


def message(who: str = "email:ann@example.org", number: int = 1) -> MessageReceived:
    return MessageReceived(
        event_id=f"E{who}{number}",
        occurred_at=1,
        received_at=2,
        customer_tag=customer_tag(who),
        channel="chat",
        customer_id=who,
        address=who.partition(":")[2],
        text="Hello",
    )


def counted(outcome: str) -> float:
    return metrics.DIRECTORY_LOOKUPS.labels(outcome)._value.get()


# -- a file -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "customers.csv"
    path.write_text(HEADER + "ann@example.org,4711,Ann Lee,ja-JP,Asia/Tokyo,Gold\n", "utf-8")
    return path


def found(known: CsvDirectory | HttpDirectory, who: str = "email:ann@example.org") -> Profile:
    return known.ask(who).result(60)


def test_a_file_names_customers(path: Path) -> None:
    assert found(CsvDirectory(path, BRITISH)) == ANN


def test_addresses_of_every_kind_belong_to_one_customer(path: Path) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write("020 7946 0000,4711,,,,\nx:@Ann_Lee,ext:4711,,,,\nsocial:7,email:ann@example.org,,,,\n")
    known = CsvDirectory(path, BRITISH)
    assert found(known, "tel:+442079460000").customer_id == "ext:4711"
    assert found(known, "x:ann_lee").customer_id == "ext:4711"
    assert found(known, "social:7").customer_id == "email:ann@example.org"
    assert found(known, "ext:4711") == ANN


def test_an_address_that_is_not_in_it_is_its_own_customer(path: Path) -> None:
    assert found(CsvDirectory(path, BRITISH), "email:bob@example.org") == Profile()


def test_columns_may_be_left_out_and_spreadsheets_may_mark_the_file(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes("\ufeffAddress, Name\r\nann@example.org,Ann\r\n".encode())
    assert found(CsvDirectory(path, BRITISH)) == Profile(name="Ann")


def test_a_wrong_line_is_reported_with_its_number_and_the_others_count(path: Path) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(
            "nobody,1,,,,\nbob@example.org,2,,,Mars/Base,\ncat@example.org,3,,klingon,,\n"
            "ann@example.org,5,Other,,,\ndan@example.org,6,Dan,en,,,,,\neve@example.org,7,Eve,en,,\n"
        )
    with capture_logs() as logs:
        known = CsvDirectory(path, BRITISH)
    wrong = [(line["where"].rpartition(":")[2], line["problem"]) for line in logs if line["event"] == "directory_line"]
    assert [line for line, _ in wrong] == ["3", "4", "5", "6", "7"]
    assert "'Mars/Base' is not a time zone" in wrong[1][1]
    assert found(known, "email:eve@example.org").name == "Eve"
    assert found(known) == ANN


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"name,tier\nAnn,gold\n", "there is no column 'address'"),
        (b"address,nmae\nann@example.org,Ann\n", "'nmae' is not a column"),
        (b"", "there is no column 'address'"),
        ("address,name\nann@example.org,Jürgen\n".encode("latin-1"), "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_at_the_start(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=told):
        CsvDirectory(path, BRITISH)


def test_a_file_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    settings = ProducerSettings(directory_url=str(tmp_path / "none.csv"))  # type: ignore[arg-type]
    for way in (directory.check, directory.enricher):
        with pytest.raises(ConfigurationError, match=r"none.csv: cannot be read: No such file"):
            way(settings)


def test_a_changed_file_is_read_again_and_a_broken_one_is_not_taken_over(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "_LOOK_SECONDS", 0.0)
    known = CsvDirectory(path, BRITISH)
    path.write_text(HEADER + "ann@example.org,4711,Ann Smith,,,\n", "utf-8")
    eventually(lambda: found(known).name == "Ann Smith")
    path.write_text("nonsense\n", "utf-8")
    with capture_logs() as logs:
        eventually(lambda: found(known) and [line for line in logs if line["event"] == "directory_unreadable"])
    assert found(known).name == "Ann Smith"
    path.unlink()
    assert found(known).name == "Ann Smith"


def test_a_url_of_a_file_is_a_file(path: Path) -> None:
    enricher = directory.enricher(ProducerSettings(directory_url=path.as_uri()))  # type: ignore[arg-type]
    assert enricher(message()).customer_tag == customer_tag("ext:4711")


# -- a server ---------------------------------------------------------------------------------------------------------


class Crm(ThreadingHTTPServer):
    """A CRM whose behaviour can be changed while it runs. `asked` is what it was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.answer: Callable[[_Handler], None] = lambda handler: handler.say(200, {"id": 4711, "name": "Ann Lee"})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/customers?id={{customer_id}}"

    def handle_error(self, *_: Any) -> None:
        """Clients that hang up are what is tested here."""


class _Handler(BaseHTTPRequestHandler):
    server: Crm
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append(parse_qs(urlsplit(self.path).query).get("id", [self.path])[0])
        self.server.headers.append(dict(self.headers))
        self.server.answer(self)

    def say(self, status: int, body: Any) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def crm() -> Iterator[Crm]:
    with Crm() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()


class Hands:
    """A clock whose hands a test can move."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def known(crm: Crm, hands: Hands) -> Iterator[HttpDirectory]:
    """With a patience that no answer of a busy machine exceeds."""
    with closing(HttpDirectory(crm.url, BRITISH, token="t0p", timeout=30, clock=hands, cached=3)) as known:
        yield known


@pytest.fixture
def hasty(crm: Crm) -> Iterator[HttpDirectory]:
    """With the patience that is usual, for servers that try it."""
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


def slowly(seconds: float, released: threading.Event | None = None) -> Callable[[_Handler], None]:
    def answer(handler: _Handler) -> None:
        (released or threading.Event()).wait(seconds)
        handler.say(200, {"customer_id": "4711"})

    return answer


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


def test_many_who_ask_for_the_same_customer_at_once_make_one_request(crm: Crm, known: HttpDirectory) -> None:
    released = threading.Event()
    crm.answer = slowly(60, released)
    futures = [known.ask("email:ann@example.org") for _ in range(50)]
    eventually(lambda: crm.asked)
    released.set()
    assert {future.result(60).customer_id for future in futures} == {"ext:4711"}
    assert len(crm.asked) == 1


def test_that_there_is_nobody_is_remembered_for_a_shorter_time(crm: Crm, known: HttpDirectory, hands: Hands) -> None:
    crm.answer = lambda handler: handler.say(404, b"")
    assert found(known) == found(known) == Profile()
    assert len(crm.asked) == 1
    hands.ahead = 61
    found(known)
    assert len(crm.asked) == 2


def test_an_answer_is_asked_for_again_when_it_is_old(crm: Crm, known: HttpDirectory, hands: Hands) -> None:
    found(known)
    hands.ahead = 301
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
        lambda handler: handler.close_connection or handler.connection.close(),
    ],
)
def test_an_answer_that_makes_no_sense_is_no_answer(
    crm: Crm, known: HttpDirectory, answer: Callable[[_Handler], None]
) -> None:
    crm.answer = answer
    before = counted("error")
    assert found(known) == Profile()
    assert counted("error") == before + 1


def test_an_older_answer_counts_while_the_server_fails(crm: Crm, known: HttpDirectory, hands: Hands) -> None:
    assert found(known).customer_id == "ext:4711"
    hands.ahead = 301
    crm.answer = lambda handler: handler.say(500, b"")
    assert found(known).customer_id == "ext:4711"


def test_a_server_that_fails_is_left_alone_and_tried_again(crm: Crm, known: HttpDirectory, hands: Hands) -> None:
    crm.answer = lambda handler: handler.say(503, b"")
    for number in range(8):
        assert found(known, f"chat:{number}") == Profile()
    assert len(crm.asked) == 5
    crm.answer = lambda handler: handler.say(200, {"id": 1})
    assert found(known, "chat:9") == Profile()
    hands.ahead = 11
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


def test_a_customer_for_whom_nobody_waits_any_more_is_not_asked_about(crm: Crm, hands: Hands) -> None:
    released = threading.Event()
    crm.answer = slowly(5, released)
    with closing(HttpDirectory(crm.url, BRITISH, timeout=3.0, clock=hands)) as known:
        busy = [known.ask(f"email:c{number}@example.org") for number in range(directory.REQUESTS_AT_ONCE)]
        eventually(lambda: len(crm.asked) == len(busy))
        late = known.ask("email:ann@example.org")
        hands.ahead = 10.0
        released.set()
        assert late.result(5) == Profile()
    assert "email:ann@example.org" not in crm.asked


def test_an_answer_that_trickles_ends_as_well(crm: Crm, hasty: HttpDirectory) -> None:
    done = threading.Event()

    def trickle(handler: _Handler) -> None:
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


def test_the_event_loop_goes_on_while_a_slow_server_is_waited_for(crm: Crm) -> None:
    released = threading.Event()
    crm.answer = slowly(60, released)
    turns, customers = 0, [f"chat:{number}" for number in range(100)]

    async def many(enricher: Enricher) -> None:

        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0.005)

        turning = asyncio.create_task(turn())
        made = await asyncio.gather(*(enricher.later(message(customer)) for customer in customers))
        turning.cancel()
        assert [each.customer_tag for each in made] == [customer_tag(customer) for customer in customers]

    def wait(_: int) -> None:
        with closing(HttpDirectory(crm.url, BRITISH, timeout=0.3)) as hasty:
            asyncio.run(many(Enricher(BRITISH, hasty)))

    within(2, wait)
    released.set()
    assert turns > 10


@pytest.mark.parametrize(
    "url", ["http://crm.example/customers", "https:///{address}", "http://{address}/customers", "http://crm/#{address}"]
)
def test_a_url_that_names_no_customer_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DESKSTREAM_DIRECTORY_URL: the URL names no customer"):
        directory.check(ProducerSettings(directory_url=url))  # type: ignore[arg-type]


def test_the_url_is_not_shown_with_its_secrets() -> None:
    settings = ProducerSettings(directory_url="https://u:s3cret@crm/{address}?key=s3cret")  # type: ignore[arg-type]
    assert "s3cret" not in repr(settings)


# -- on the way to Kafka ----------------------------------------------------------------------------------------------


@pytest.mark.stack
def test_every_contact_is_in_kafka_under_its_customers_key_even_when_the_directory_hangs(
    deployment: Deployment, crm: Crm
) -> None:
    released, slow = threading.Event(), threading.Event()

    def sometimes(handler: _Handler) -> None:
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
