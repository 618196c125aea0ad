"""The bounds of connections, on a real server and real sockets, with short times."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from producers.security.proxies import Proxies
from producers.sources import connections
from producers.sources.connections import Connections
from producers.sources.http.connections import bounded_protocol
from tests.support.timeouts import eventually

GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
PAGE = b"x" * 400_000


@contextmanager
def served(most: int, of_address: int, **options: Any) -> Iterator[int]:
    """A server with these bounds; its port."""

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse(PAGE)(scope, receive, send)

    bounds = Connections("http", "none", most, of_address, **options)
    config = uvicorn.Config(page, http=bounded_protocol(bounds), ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)


def opened(port: int, address: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(address, 0))


def asked(client: socket.socket) -> bytes:
    """The status line of the answer to a GET, whose body is read."""
    client.sendall(GET)
    received = b""
    while len(received) < len(PAGE) and (more := client.recv(65_536)):
        received += more
        if b"connection: close" in received:
            break
    return received.partition(b"\r\n")[0]


def is_open(client: socket.socket) -> bool:
    client.settimeout(0.05)
    try:
        return client.recv(1) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


def test_beyond_its_share_an_address_is_told_429_with_a_time() -> None:
    with served(20, 3, rest_seconds=60) as port, contextlib.ExitStack() as stack:
        own = [stack.enter_context(opened(port)) for _ in range(4)]
        answer = eventually(lambda: next((each.recv(4_096) for each in own if not is_open_without_data(each)), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 429 ") and b"retry-after: 5" in head
        assert b'"reason":"too_many_of_address"' in body
        assert asked(stack.enter_context(opened(port, "127.0.0.2"))) == b"HTTP/1.1 200 OK"


def is_open_without_data(client: socket.socket) -> bool:
    client.settimeout(0.05)
    try:
        client.recv(1, socket.MSG_PEEK)
    except TimeoutError:
        client.settimeout(20)
        return True
    client.settimeout(20)
    return False


def test_the_connection_that_rested_longest_makes_room() -> None:
    with served(20, 3, rest_seconds=0.0) as port, contextlib.ExitStack() as stack:
        own = []
        for _ in range(4):
            own.append(stack.enter_context(opened(port)))
            assert asked(own[-1]) == b"HTTP/1.1 200 OK"
        eventually(lambda: not is_open(own[0]), "the end of the first")
        assert all(is_open(each) for each in own[1:])


def test_the_reserve_is_for_addresses_with_few_connections() -> None:
    with served(8, 8, rest_seconds=60) as port, contextlib.ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(opened(port, "127.0.0.2"))
        assert asked(stack.enter_context(opened(port, "127.0.0.3"))) == b"HTTP/1.1 200 OK"
        assert asked(stack.enter_context(opened(port, "127.0.0.2"))).startswith(b"HTTP/1.1 503 ")


def test_a_trusted_proxy_is_no_single_client() -> None:
    with (
        served(20, 2, rest_seconds=60, proxies=Proxies.parse("127.0.0.2", "X")) as port,
        contextlib.ExitStack() as stack,
    ):
        answers = [asked(stack.enter_context(opened(port, "127.0.0.2"))) for _ in range(15)]
        assert set(answers) == {b"HTTP/1.1 200 OK"}
        assert asked(stack.enter_context(opened(port, "127.0.0.2"))).startswith(b"HTTP/1.1 429 ")
        assert asked(stack.enter_context(opened(port, "127.0.0.3"))) == b"HTTP/1.1 200 OK"


def test_who_does_not_read_what_it_asks_for_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "UNREAD_SECONDS", 0.5)
    with served(20, 20) as port:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.connect(("127.0.0.1", port))
        with client, contextlib.suppress(OSError):
            client.sendall(GET * 200)  # 80 MB of answers
            eventually(lambda: not is_reading_possible(client), "the end")


def is_reading_possible(client: socket.socket) -> bool:
    """Whether the connection stands: one that was cut answers what is sent with a reset."""
    client.settimeout(0.05)
    try:
        client.sendall(b"x")
    except TimeoutError:
        return True
    except OSError:
        return False
    return True


def test_the_places_of_connections_that_are_gone_are_free() -> None:
    async def scenario() -> None:
        bounds = Connections("http", "none", 10, 10)

        class Fake:
            transport: Any = None

            def displace(self) -> None:
                raise AssertionError("nobody was to be displaced")

        fakes = [Fake() for _ in range(5)]
        for each in fakes:
            assert bounds.open(each, "192.0.2.1") == ""
        for each in fakes:
            bounds.works(each)
            bounds.rests(each)
            assert bounds.close(each)
        assert len(bounds) == 0 and not bounds._resting and not bounds._resting_of and not bounds._shares.used
        assert not bounds.close(fakes[0])

    asyncio.run(scenario())
