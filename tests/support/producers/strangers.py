"""Strangers for the tests of floods: many real sockets from chosen addresses of this machine, and an honest client."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psutil

__all__ = ["HONEST", "STRANGER", "Answer", "Socket", "allow_sockets", "rss_bytes", "submit", "together"]

STRANGER, HONEST = "127.0.0.2", "127.0.0.3"
FORM = {"name": "Ann Lee", "email": "ann@example.org", "message": "Where is my parcel?"}


@dataclass(frozen=True)
class Answer:
    """What an HTTP server said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def reason(self) -> str:
        """The word for programs in a refusal."""
        return str(json.loads(self.body)["reason"])


class Socket:
    """One connection of a stranger."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes, seconds: float = 10.0) -> bool:
        """Send, as far as the other side takes it within the time; whether it took all."""
        try:
            self.writer.write(data)
            async with asyncio.timeout(seconds):
                await self.writer.drain()
        except (OSError, TimeoutError):
            return False
        return True

    async def answer(self, seconds: float = 60.0) -> bytes:
        """All that comes until the other side ends the connection."""
        with contextlib.suppress(OSError):
            async with asyncio.timeout(seconds):
                return await self.reader.read(-1)
        return b""

    async def ended(self, seconds: float = 60.0) -> bool:
        """Whether the other side ends the connection within the time."""
        try:
            async with asyncio.timeout(seconds):
                while await self.reader.read(65_536):
                    pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    def close(self) -> None:
        self.writer.transport.abort()


@asynccontextmanager
async def together(
    port: int, count: int, address: str = STRANGER, *, limit: int = 2**16
) -> AsyncIterator[list[Socket]]:
    """So many connections from one address; those that are not let in are among them."""
    opened: list[Socket] = []

    async def one() -> None:
        with contextlib.suppress(OSError):
            streams = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0), limit=limit)
            opened.append(Socket(*streams))

    try:
        for start in range(0, count, 100):
            await asyncio.gather(*(one() for _ in range(min(100, count - start))))
        yield opened
    finally:
        for each in opened:
            each.close()


def submit(port: int, address: str = HONEST, *, seconds: float = 60.0, message: str = "", **headers: str) -> Answer:
    """Send the contact form from an address; what is answered."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds, source_address=(address, 0))
    try:
        form = FORM | ({"message": message} if message else {})
        client.request("POST", "/v1/form", json.dumps(form), {"content-type": "application/json"} | headers)
        answer = client.getresponse()
        told = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, told, answer.read())
    finally:
        client.close()


def rss_bytes(pid: int) -> int:
    """The memory of a process."""
    return int(psutil.Process(pid).memory_info().rss)


def allow_sockets(count: int) -> None:
    """Let this process open so many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count + 200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 200), hard))
