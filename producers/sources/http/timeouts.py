"""HTTP/1.1 of uvicorn, with an end to waiting: whoever does not finish a request's head holds no connection for it.

uvicorn bounds how long a connection may rest between requests, and `requests.read_body` how long a body may take. In
between, a head of which a byte comes now and then would wait for ever, and enough of them would leave no connection to
anybody else.
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["HEAD_SECONDS", "PromptHttp"]

HEAD_SECONDS = 10.0
_TOO_SLOW = b'{"reason":"too_slow","detail":"the head of the request did not come in time"}'
_ANSWER = (
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
    % (len(_TOO_SLOW), _TOO_SLOW)
)


class PromptHttp(H11Protocol):
    """A connection. The time runs from when it is opened, then from the first byte of each further request."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Begin to wait for a head, once, or stop when it is whole."""
        if self.conn.their_state is not h11.IDLE:
            self._stop_watching()
        elif self._late is None:
            self._late = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_watching(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        if self.transport.is_closing():
            return
        if self.conn.trailing_data[0]:  # a browser also opens connections that it may not need: it is told nothing
            self.transport.write(_ANSWER)
        self.transport.close()
