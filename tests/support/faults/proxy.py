"""A TCP proxy that cuts, delays and loses what passes through it, as networks do."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from deploy.local.process import LOOPBACK, free_ports

T = TypeVar("T")
CHUNK = 64 * 1024


class Proxy:
    """Listens on `port` and passes each connection on to `upstream_port`, both on loopback, until it is told otherwise.

    silent()         swallows everything both ways and takes new connections: what it held passes afterwards, or nobody
                     hears from these connections again
    refusing()       resets what is open and refuses new connections
    delayed()        passes everything on later
    lose_answers()   passes requests on, and resets the connection where the answer would come
    """

    def __init__(self, upstream_port: int, port: int = 0) -> None:
        self.upstream_port, self.port = upstream_port, port or free_ports(1)[0]
        #: Answers that were lost so far, and the connections that were cut.
        self.lost_answers = self.cut_connections = 0
        self._delay_seconds = 0.0
        self._to_lose, self._sign = 0, b""
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._flows = asyncio.Event()
        self._flows.set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._call(self._listen())

    def stop(self) -> None:
        self._call(self._refuse())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    @contextmanager
    def silent(self, *, forget: bool = False) -> Iterator[None]:
        """Nothing passes and nothing ends. With `forget` the connections of that time are reset afterwards."""
        self._loop.call_soon_threadsafe(self._flows.clear)
        try:
            yield
        finally:
            if forget:
                self._call(self._reset())
            self._loop.call_soon_threadsafe(self._flows.set)

    @contextmanager
    def refusing(self) -> Iterator[None]:
        self._call(self._refuse())
        try:
            yield
        finally:
            self._call(self._listen())

    @contextmanager
    def delayed(self, seconds: float) -> Iterator[None]:
        self._delay_seconds = seconds
        try:
            yield
        finally:
            self._delay_seconds = 0.0

    def reset(self) -> None:
        """Resets every open connection."""
        self._call(self._reset())

    def lose_answers(self, count: int, sign: bytes = b"") -> None:
        """The answers to the next `count` requests that hold `sign` do not arrive: their connections are reset."""
        self._to_lose, self._sign = count, sign

    # -- on the proxy's own loop --------------------------------------------------------------------------------

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port, reuse_address=True)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._reset()

    async def _reset(self) -> None:
        self.cut_connections += len(self._open) // 2
        for writer in list(self._open):
            _abort(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._flows.wait()
            upstream = await asyncio.open_connection(LOOPBACK, self.upstream_port)
        except OSError:
            _abort(writer)
            return
        asked = _Asked()
        ends = {writer, upstream[1]}
        self._open |= ends
        try:
            await asyncio.gather(
                self._pump(reader, upstream[1], asked, answers=False),
                self._pump(upstream[0], writer, asked, answers=True),
            )
        except (OSError, _AnswerLost):
            for end in ends:
                _abort(end)
        finally:
            self._open -= ends

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, asked: _Asked, *, answers: bool
    ) -> None:
        while data := await source.read(CHUNK):
            if self._delay_seconds:
                await asyncio.sleep(self._delay_seconds)
            await self._flows.wait()
            if not answers:
                asked.tail = asked.tail[-len(self._sign) :] + data
                asked.lose = asked.lose or (self._to_lose > 0 and self._sign in asked.tail)
            elif asked.lose:
                self._to_lose -= 1
                self.lost_answers += 1
                raise _AnswerLost
            target.write(data)
            await target.drain()
        with suppress(OSError):
            target.write_eof()


class _Asked:
    """What was asked for on one connection: the end of the requests, and whether the answer is to be lost."""

    def __init__(self) -> None:
        self.tail, self.lose = b"", False


class _AnswerLost(Exception):
    """This connection ends here."""


def _abort(writer: asyncio.StreamWriter) -> None:
    """Ends a connection with a reset: the other end learns that it broke, not that all was said."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    writer.transport.abort()
