"""Ends HTTP connections whose request head does not arrive in time (slow loris).

uvicorn bounds how long a connection may rest between requests, and `requests.read_body` how long a body may take. No
setting of uvicorn bounds the time of a head: one byte a second holds a connection for ever. Measured with 150
connections that each send one byte of a head per second, and at most 100 connections allowed where that can be set;
speed with 16 connections that ask for two bytes, median of three alternating rounds on two busy cores:

| server                                        | attackers are gone after | others meanwhile, after | requests/s |
|-----------------------------------------------|--------------------------|-------------------------|------------|
| uvicorn, h11, `timeout_keep_alive=5`          | never                    | 503, 503                | 6,700      |
| uvicorn, `h11_max_incomplete_event_size=4096` | never                    | 503, 503                |            |
| uvicorn, httptools                            | never                    | 503, 503                | 17,400     |
| granian, `--http1-header-read-timeout 10000`  | 20 s (in two waves)      | no answer, 200          | 8,800      |
| hypercorn, `keep_alive_timeout=5`             | 5 s                      | 200, 200                | 1,700      |
| this protocol, 10 s                           | 10 s                     | 503, 200                | 7,800      |

granian runs its workers as processes of its own, and lets a client wait where we answer 503. hypercorn has no limit of
connections, ends such a one without an answer, and is slower. A proxy can do it, too (nginx `client_header_timeout`), but
`python -m producers http` may also stand without one. So uvicorn's h11 protocol gets one timer per connection.
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["HEAD_SECONDS", "HeadTimeoutProtocol"]

HEAD_SECONDS = 10.0
_TOO_SLOW = b'{"reason":"too_slow","detail":"the head of the request did not come in time"}'
_ANSWER = (
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
    % (len(_TOO_SLOW), _TOO_SLOW)
)


class HeadTimeoutProtocol(H11Protocol):
    """Serves one connection. The time of a head runs from the opening, then from the first byte of each request."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the timer of the first head."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Takes bytes; stops the timer when they complete a head."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the timer."""
        self._stop_watching()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Starts the timer of a head, once; stops it when the head is whole."""
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
        if self.conn.trailing_data[0]:  # a browser opens connections that it may not need: those get no answer
            self.transport.write(_ANSWER)
        self.transport.close()
