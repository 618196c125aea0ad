"""The HTTP producer while strangers try to use it up: real processes, real sockets, the memory of the server."""

from __future__ import annotations

import asyncio
import http.client
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import pytest

from schemas import signature
from tests.conftest import Deployment
from tests.support.producers.balance import Metrics
from tests.support.producers.log_reader import free_port, logged, producer
from tests.support.producers.strangers import HONEST, STRANGER, allow_sockets, rss_bytes, submit, together
from tests.support.timeouts import eventually

pytestmark = pytest.mark.stack

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Server:
    port: int
    metrics: Metrics
    process: psutil.Process

    def connections(self) -> int:
        return int(self.metrics.counted("listener_connections").get('listener="http"', 0))

    def held(self) -> int:
        return int(self.metrics.counted("listener_bytes").get('listener="http"', 0))


@pytest.fixture
def server(deployment: Deployment) -> Iterator[Server]:
    """A server as it runs by default."""
    metrics = Metrics(free_port())
    ours = {
        "DESKSTREAM_HTTP_PORT": "0",
        "DESKSTREAM_METRICS_PORT": str(metrics.port),
        "DESKSTREAM_WEBHOOK_SECRETS": "new",
        "DESKSTREAM_FORM_SUBMISSIONS_PER_MINUTE": "1000",  # the honest clients are all one address
    }
    with producer(deployment, "http", **ours) as running:
        port = int(logged(running, r'"port": (\d+)')[1])
        eventually(metrics.ready)
        yield Server(port, metrics, psutil.Process(running.pid))


def unfinished(size: int, sent: int, **headers: str) -> bytes:
    """A request with a false signature and a body that does not end."""
    told = {"content-type": "application/json", signature.HEADER: signature.sign("wrong", b"x", int(time.time()))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in (told | headers).items())
    return f"POST /v1/events HTTP/1.1\r\nhost: x\r\n{lines}content-length: {size}\r\n\r\n".encode() + b"[" * sent


def test_unfinished_bodies_take_a_share_and_no_more(server: Server) -> None:
    """150 bodies of 4 MB with false signatures took 600 MB."""
    before = rss_bytes(server.process.pid)

    async def attack() -> list[int]:
        async with together(server.port, 150) as strangers:
            body = unfinished(4 * MEGABYTE, 4 * MEGABYTE - 1)
            await asyncio.gather(*(each.send(body, 5) for each in strangers))
            most = rss_bytes(server.process.pid) - before
            assert server.held() <= 17 * MEGABYTE
            served = [
                (await asyncio.to_thread(submit, server.port, address)).status
                for address in (HONEST, "127.0.0.4", STRANGER)
            ]
            assert served == [202, 202, 202]
            return [most, rss_bytes(server.process.pid) - before]

    grown = asyncio.run(attack())
    assert max(grown) < 100 * MEGABYTE, [each // MEGABYTE for each in grown]
    eventually(lambda: not server.held(), "that all bytes are given back")
    assert {"too_many_bytes"} <= set(server.metrics.refused())


def test_idle_connections_of_a_stranger_make_room_for_all(server: Server) -> None:
    """2,000 connections that sent nothing starved everybody else."""
    allow_sockets(2_400)

    async def attack() -> None:
        async with together(server.port, 2_100) as strangers:
            assert len(strangers) > 1_000
            assert server.connections() <= 200
            for address in (HONEST, "127.0.0.4"):
                assert (await asyncio.to_thread(submit, server.port, address)).status == 202
            own = await asyncio.to_thread(submit_until_let_in, server.port, STRANGER)
            assert own == 202

    asyncio.run(attack())
    assert server.metrics.refused()["too_many_of_address"] > 100


def submit_until_let_in(port: int, address: str) -> int:
    """The status of a form whose sender does what Retry-After says."""
    return eventually(lambda: _let_in(port, address), "a place")


def _let_in(port: int, address: str) -> int:
    try:
        answer = submit(port, address)
    except (OSError, http.client.HTTPException):  # turned away before the request was sent
        return 0
    assert answer.status == 202 or answer.headers["retry-after"]
    return answer.status if answer.status == 202 else 0


def test_bodies_that_trickle_in_give_way_to_requests_that_are_whole(server: Server) -> None:
    """Each has a whole head and a few bytes of its body, so that none rests."""
    allow_sockets(1_000)

    async def attack() -> None:
        async with together(server.port, 400) as strangers:
            head = unfinished(200_000, 10)
            await asyncio.gather(*(each.send(head) for each in strangers))
            eventually(lambda: server.connections() >= 100, "the flood")
            assert (await asyncio.to_thread(submit, server.port, HONEST)).status == 202
            ended = await asyncio.gather(*(each.ended(60) for each in strangers))
            assert all(ended), "a body that does not come is waited for ten seconds"

    asyncio.run(attack())
    assert server.metrics.refused()["too_slow"] > 50


def test_a_body_of_tiny_chunks_is_refused_after_a_few(server: Server) -> None:
    head = b"POST /v1/form HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"

    async def attack() -> list[bytes]:
        async with together(server.port, 20) as strangers:
            await asyncio.gather(*(each.send(head + b"1\r\na\r\n" * 150_000) for each in strangers))
            answers = await asyncio.gather(*(each.answer() for each in strangers))
            assert (await asyncio.to_thread(submit, server.port)).status == 202
            return answers

    before = server.process.cpu_times().user
    answers = asyncio.run(attack())
    assert all(answer == b"" or b" 400 " in answer.partition(b"\r\n")[0] for answer in answers)
    assert server.process.cpu_times().user - before < 10, "20 bodies of 150,000 chunks took 60 s"


def test_a_head_without_end_is_refused_and_takes_nothing(server: Server) -> None:
    before = rss_bytes(server.process.pid)

    async def attack() -> None:
        async with together(server.port, 100) as strangers:
            head = b"GET / HTTP/1.1\r\n" + b"x-filler: %s\r\n" % (b"x" * 1_000) * 2_000
            await asyncio.gather(*(each.send(head, 5) for each in strangers))
            assert all(await asyncio.gather(*(each.ended(30) for each in strangers)))
            assert submit(server.port).status == 202

    asyncio.run(attack())
    assert rss_bytes(server.process.pid) - before < 60 * MEGABYTE


def test_an_address_that_a_trusted_proxy_names_has_the_share(server: Server) -> None:
    """All of these come from 127.0.0.1, which is a trusted proxy by default."""

    async def attack() -> None:
        async with together(server.port, 300, "127.0.0.1") as through_the_proxy:
            body = unfinished(4 * MEGABYTE, 4 * MEGABYTE - 1, **{"x-forwarded-for": "203.0.113.9"})
            await asyncio.gather(*(each.send(body, 5) for each in through_the_proxy[:60]))
            flooded = unfinished(1_000, 1, **{"x-forwarded-for": "203.0.113.9"})
            await asyncio.gather(*(each.send(flooded) for each in through_the_proxy[60:]))
            other = {"x-forwarded-for": "203.0.113.10"}
            assert (await asyncio.to_thread(submit, server.port, "127.0.0.1", **other)).status == 202
            assert server.held() <= 17 * MEGABYTE

    asyncio.run(attack())
    assert server.metrics.refused()["too_many_requests"] >= 40


def test_a_stranger_cannot_borrow_other_addresses(server: Server) -> None:
    """127.0.0.2 is no proxy of ours: what it says of others is not believed."""

    async def attack() -> None:
        async with together(server.port, 40) as strangers:
            bodies = [
                unfinished(4 * MEGABYTE, 4 * MEGABYTE - 1, **{"x-forwarded-for": f"203.0.113.{number}"})
                for number in range(len(strangers))
            ]
            await asyncio.gather(*(each.send(body, 5) for each, body in zip(strangers, bodies, strict=True)))
            assert server.held() <= 17 * MEGABYTE

    asyncio.run(attack())


def test_a_reconnect_storm_leaves_the_others_served(server: Server) -> None:
    allow_sockets(1_000)

    async def storm(ends: asyncio.Event) -> int:
        rounds = 0
        while not ends.is_set():
            async with together(server.port, 100):
                rounds += 1
        return rounds

    async def attack() -> int:
        ends = asyncio.Event()
        storming = asyncio.create_task(storm(ends))
        for _ in range(20):
            assert (await asyncio.to_thread(submit, server.port)).status == 202
        ends.set()
        return await storming

    assert asyncio.run(attack()) > 1
    eventually(lambda: server.connections() < 10, "that the places are free again")


def test_an_idle_connection_outlives_the_pools_of_proxies(server: Server) -> None:
    """It was closed after 5 s, so that a pooling client met a reset now and then."""
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    client.request("GET", "/")
    client.getresponse().read()
    first = client.sock.getsockname()
    with pytest.raises(TimeoutError):
        client.sock.settimeout(7)
        client.sock.recv(1)
    client.sock.settimeout(60)
    client.request("GET", "/")
    assert client.getresponse().status == 200 and client.sock.getsockname() == first
    client.close()
