"""The chat server while strangers try to use it up: a real process, raw sockets, the memory of the server."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import struct
from collections.abc import Iterator

import psutil
import pytest

from tests.conftest import Deployment
from tests.support.producers.chat_visitor import ChatServer, PipelineWriter, chatting
from tests.support.producers.strangers import HONEST, STRANGER, Socket, allow_sockets, rss_bytes, together
from tests.support.timeouts import eventually

pytestmark = pytest.mark.stack

MEGABYTE = 1_000_000
TEXT, CONTINUATION, PING = 0x1, 0x0, 0x9


@pytest.fixture
def desk(deployment: Deployment) -> Iterator[PipelineWriter]:
    writer = PipelineWriter(deployment)
    writer.present(capacity=20)
    yield writer
    writer.close()


@pytest.fixture
def server(deployment: Deployment, desk: PipelineWriter) -> Iterator[ChatServer]:
    with chatting(deployment) as server:
        yield server


def port_of(server: ChatServer) -> int:
    found = re.search(r":(\d+)$", server.url)
    assert found
    return int(found[1])


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, compressed: bool = False) -> bytes:
    """A masked frame, the mask being zeros."""
    first = opcode | (0x80 if fin else 0) | (0x40 if compressed else 0)
    if len(data) < 126:
        return struct.pack("!BB4x", first, 0x80 | len(data)) + data
    return struct.pack("!BBH4x", first, 0x80 | 126, len(data)) + data


def hello(server: ChatServer, **headers: str) -> bytes:
    """The opening handshake."""
    key = base64.b64encode(os.urandom(16)).decode()
    told = {
        "Host": server.url.partition("://")[2],
        "Origin": server.url,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in (told | headers).items())
    return f"GET /chat HTTP/1.1\r\n{lines}\r\n".encode()


async def opened(stranger: Socket, server: ChatServer, **headers: str) -> bytes:
    """The status line of the answer."""
    await stranger.send(hello(server, **headers))
    try:
        return (await stranger.reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0]
    except (asyncio.IncompleteReadError, OSError):
        return b""


def honest_line(server: ChatServer, number: int) -> None:
    """An honest visitor on another address begins a conversation and is acknowledged."""
    with server.visitor(source_address=(HONEST, 0)) as visitor:
        visitor.start(visitor=f"visitor-{number:016}", conversation=f"conversation-{number:016}")


def refused(server: ChatServer) -> dict[str, float]:
    return {name.partition(",")[2]: count for name, count in server.counted("contacts_refused").items()}


def test_sockets_that_never_shake_hands_leave_room(server: ChatServer) -> None:
    """Which of them goes depends on how fast they come: a new one is refused, or takes the place of one that rests."""
    allow_sockets(1_000)

    async def attack() -> None:
        async with together(port_of(server), 600) as strangers:
            assert server.connections() <= 200
            await asyncio.to_thread(honest_line, server, 1)
            assert server.connections() <= 201
            ended = await asyncio.gather(*(each.ended() for each in strangers))
            assert all(ended)

    asyncio.run(attack())


def test_one_address_has_its_share_of_visits_also_all_at_once(server: ChatServer) -> None:
    """50 were allowed; of many handshakes at the same moment more came through."""

    async def attack() -> list[bytes]:
        async with together(port_of(server), 90) as strangers:
            answers = await asyncio.gather(*(opened(each, server) for each in strangers))
            await asyncio.to_thread(honest_line, server, 2)
            return answers

    answers = asyncio.run(attack())
    assert sum(b" 101 " in each for each in answers) == 50
    assert all(b" 101 " in each or b" 429 " in each for each in answers)


def test_a_flood_of_pings_ends_the_connection_and_fills_nothing(server: ChatServer) -> None:
    """Each was answered at once, and who did not read the answers made us keep them."""
    process = psutil.Process(server.process.pid)
    before, cpu = rss_bytes(process.pid), process.cpu_times().user

    async def attack() -> None:
        async with together(port_of(server), 20) as strangers:
            assert all(b" 101 " in each for each in await asyncio.gather(*(opened(s, server) for s in strangers)))
            flood = frame(PING, b"x" * 125) * 40_000
            await asyncio.gather(*(each.send(flood, 5) for each in strangers))
            assert rss_bytes(process.pid) - before < 60 * MEGABYTE
            await asyncio.to_thread(honest_line, server, 3)
            assert all(await asyncio.gather(*(each.ended() for each in strangers)))

    asyncio.run(attack())
    assert refused(server)["too_many_pings"] == 20
    assert process.cpu_times().user - cpu < 10


def test_a_ping_now_and_then_is_answered(server: ChatServer) -> None:
    with server.visitor() as visitor:
        for _ in range(20):
            assert visitor.socket.ping().wait(60)


@pytest.mark.parametrize(
    "data", [frame(TEXT, b"{}"), frame(TEXT, b"[", fin=False) + frame(CONTINUATION, fin=False) * 9]
)
def test_a_flood_of_tiny_frames_ends_the_connection(server: ChatServer, data: bytes) -> None:
    before = rss_bytes(server.process.pid)

    async def attack() -> None:
        async with together(port_of(server), 20) as strangers:
            await asyncio.gather(*(opened(each, server) for each in strangers))
            await asyncio.gather(*(each.send(data * 50_000, 5) for each in strangers))
            assert all(await asyncio.gather(*(each.ended() for each in strangers)))
            assert rss_bytes(server.process.pid) - before < 60 * MEGABYTE
            await asyncio.to_thread(honest_line, server, 4)

    asyncio.run(attack())


def test_a_message_of_endless_fragments_ends_the_connection(server: ChatServer) -> None:
    before = rss_bytes(server.process.pid)

    async def attack() -> None:
        async with together(port_of(server), 20) as strangers:
            await asyncio.gather(*(opened(each, server) for each in strangers))
            endless = frame(TEXT, b"", fin=False) + frame(CONTINUATION, fin=False) * 500_000
            await asyncio.gather(*(each.send(endless, 5) for each in strangers))
            assert all(await asyncio.gather(*(each.ended() for each in strangers)))

    asyncio.run(attack())
    assert rss_bytes(server.process.pid) - before < 60 * MEGABYTE


def test_compressed_frames_are_not_agreed_on_and_not_read(server: ChatServer) -> None:
    async def attack() -> bytes:
        async with together(port_of(server), 1) as (stranger,):
            await stranger.send(hello(server, **{"Sec-WebSocket-Extensions": "permessage-deflate"}))
            answer = await stranger.reader.readuntil(b"\r\n\r\n")
            assert b"extensions" not in answer.lower()
            await stranger.send(frame(TEXT, b"\x00" * 100, compressed=True))
            return await stranger.answer()

    assert b"\x03\xea" in asyncio.run(attack()), "1002, a protocol error"


def test_who_asks_for_all_again_and_reads_nothing_is_disconnected(server: ChatServer, desk: PipelineWriter) -> None:
    """`resume` sends all lines of a conversation: asked for in a loop, they waited for a client that did not read."""
    with server.visitor() as visitor:
        welcome = visitor.start()
        for number in range(40):
            desk.say(welcome["conversation"], f"{number} " + "x" * 3_900)
        visitor.receive("said", text="39 " + "x" * 3_900)
    before = rss_bytes(server.process.pid)
    resume = json.dumps({"type": "resume", "token": welcome["token"], "after": 0}).encode()

    async def attack() -> None:
        async with together(port_of(server), 1) as (stranger,):
            await opened(stranger, server)
            stranger.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await stranger.send(frame(TEXT, resume) * 200, 5)
            await asyncio.to_thread(eventually, lambda: refused(server).get("does_not_read"), "the end")

    asyncio.run(attack())
    assert rss_bytes(server.process.pid) - before < 60 * MEGABYTE


def test_the_places_of_visits_come_back(deployment: Deployment, desk: PipelineWriter) -> None:
    with chatting(deployment, DESKSTREAM_CHAT_MAX_PER_ADDRESS="3") as server:

        async def attack() -> list[bytes]:
            async with together(port_of(server), 3, STRANGER) as strangers:
                return await asyncio.gather(*(opened(each, server) for each in strangers))

        for _ in range(3):
            eventually(lambda: asyncio.run(attack()).count(b"HTTP/1.1 101 Switching Protocols") == 3, "three places")
