"""Serves HTTP connections within the bounds of their listener (`producers/sources/connections.py`).

Beside those bounds and the time of a head (`timeouts.py`), a body may not come in tiny chunks: h11 takes 10 µs for each,
so that one connection could keep the event loop busy with chunks of one byte.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import h11

from producers.sources.connections import Connections, RefusedHttp
from producers.sources.http.timeouts import HeadTimeoutProtocol

__all__ = ["bounded_protocol"]

#: So many chunks of a body may be of any size; beyond, they hold as many bytes as this on average.
_MOST_CHUNKS, _CHUNK_BYTES = 2_000, 64
#: Of a head, and of the line that begins a chunk.
_MOST_HEAD_BYTES = 16_384
#: A closed connection that does not go is cut after so long, and so is a request whose body goes on after its answer.
_GOODBYE_SECONDS = 2.0


def bounded_protocol(connections: Connections) -> Any:
    """Returns the protocol class for uvicorn's `http=`, bound to the connections of one listener."""
    return partial(BoundedProtocol, bounds=connections)


class BoundedProtocol(HeadTimeoutProtocol):
    """Serves one connection that has a place, and answers one that has none."""

    def __init__(self, *args: Any, bounds: Connections, **more: Any) -> None:
        super().__init__(*args, **more)
        self.bounds = bounds
        self._answered = 0
        self.conn = _ChunkCounting(h11.SERVER, _MOST_HEAD_BYTES)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a place; answers 429 or 503 when there is none."""
        self.transport = transport
        peer = transport.get_extra_info("peername")
        reason = self.bounds.open(self, str(peer[0]) if peer else "")
        if reason:
            transport.set_protocol(RefusedHttp(transport, reason))
            return
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Takes bytes; a connection with a whole head makes room for nobody."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self.bounds.works(self)

    def on_response_complete(self) -> None:
        """Goes on to the next request; until its head is whole, the connection rests."""
        super().on_response_complete()
        self._answered += 1
        if self.conn.their_state is h11.IDLE:
            self.bounds.rests(self)
        elif self.conn.their_state is h11.SEND_BODY:  # answered before its body came: by its head, or by its size
            self.loop.call_later(_GOODBYE_SECONDS, self._end_unread, self._answered)

    def connection_lost(self, exc: Exception | None) -> None:
        """Gives the place back."""
        self.bounds.close(self)
        super().connection_lost(exc)

    def displace(self) -> None:
        """Ends a connection that rests."""
        self.transport.close()
        self.loop.call_later(_GOODBYE_SECONDS, self.transport.abort)

    def _end_unread(self, answered: int) -> None:
        """Ends a connection whose body still comes, although its request was answered a while ago."""
        if answered == self._answered and self.conn.their_state is h11.SEND_BODY:
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP, unless an answer has begun already."""
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:
            self.transport.close()


class _ChunkCounting(h11.Connection):
    """Parses as h11 does, and refuses a body of tiny chunks as no HTTP."""

    _chunks = _bytes = 0

    def next_event(self) -> Any:
        event = super().next_event()
        if type(event) is h11.Data:
            self._chunks += event.chunk_start
            self._bytes += len(event.data)
            if self._chunks > _MOST_CHUNKS and self._bytes < self._chunks * _CHUNK_BYTES:
                raise h11.RemoteProtocolError("the chunks of the body are too small")
        elif type(event) is h11.EndOfMessage:
            self._chunks = self._bytes = 0
        return event
