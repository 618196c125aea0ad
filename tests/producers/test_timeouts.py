"""Requests whose head takes its time, on a real server and real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from producers.sources.http import timeouts

HEAD = b"POST / HTTP/1.1\r\nhost: shop\r\ncontent-length: 3\r\n\r\n"
#: Seconds: what a head has here, and what a slow client waits between its bytes.
TIME, STEP = 1.0, 0.05


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server that says what it was sent."""
    monkeypatch.setattr(timeouts, "HEAD_SECONDS", TIME)

    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        if body == b"zzz":
            await asyncio.sleep(1.2 * TIME)
        await PlainTextResponse(body)(scope, receive, send)

    server = uvicorn.Server(
        uvicorn.Config(echo, http=timeouts.HeadTimeoutProtocol, ws="none", lifespan="off", log_config=None)
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join(10)


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def trickled(client: socket.socket, data: bytes) -> None:
    """Send one byte a step, until all is sent or the other side has something to say."""
    client.settimeout(STEP)
    for byte in data:
        try:
            client.sendall(bytes([byte]))
            client.recv(1, socket.MSG_PEEK)
            break
        except TimeoutError:
            continue
    client.settimeout(10)


def answer(client: socket.socket) -> bytes:
    """One whole answer."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += client.recv(4096)
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        body += client.recv(4096)
    return head + b"\r\n\r\n" + body


def test_who_sends_nothing_is_hung_up_on_without_a_word(port: int) -> None:
    with connected(port) as client:
        assert client.recv(1) == b""


def test_who_trickles_a_head_is_told_so_and_hung_up_on(port: int) -> None:
    with connected(port) as client:
        trickled(client, HEAD)
        said = answer(client)
        assert said.startswith(b"HTTP/1.1 408 ") and b'"reason":"too_slow"' in said
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""


def test_what_follows_a_whole_head_may_take_longer(port: int) -> None:
    with connected(port) as client:
        client.sendall(HEAD)
        trickled(client, b"zzz")
        assert answer(client).endswith(b"zzz")


def test_every_request_of_a_connection_has_the_same_time(port: int) -> None:
    with connected(port) as client:
        for _ in range(3):
            trickled(client, HEAD[:3])
            client.sendall(HEAD[3:] + b"abc")
            assert answer(client).endswith(b"abc")
        trickled(client, HEAD)
        assert answer(client).startswith(b"HTTP/1.1 408 ")
