"""Bounds one connection of the chat server below its frames: its place, its pings, and what is parsed at once.

The library answers every ping at once and queues every frame that it was sent: a client could let it answer 40,000 pings
of one read while all others wait, and keep the answers in our memory by not reading them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

import websockets.asyncio.server as ws
from websockets.frames import CloseCode, Opcode

from producers.security.ratelimit import RateLimit
from producers.sources.connections import Connections, RefusedHttp

__all__ = ["BoundedConnection"]

#: So much of what was received is parsed before its bounds are looked at.
_SLICE_BYTES = 4_096
#: Frames of a client that wait to be taken. A browser that comes back sends a few dozen unacknowledged lines.
_MOST_WAITING = 512
#: Pings and pongs of a client: browsers send none of their own, and answer one of ours every 20 s.
_PINGS_PER_SECOND, _PINGS_AT_ONCE = 2.0, 40.0


class BoundedConnection(ws.ServerConnection):
    """Serves a connection that has a place; `admitted` gives back what `Server._admit` took for it."""

    def __init__(self, *args: Any, bounds: Connections, **more: Any) -> None:
        super().__init__(*args, **more)
        self.bounds = bounds
        self.admitted: Callable[[], None] | None = None
        self._pings = RateLimit(_PINGS_PER_SECOND, _PINGS_AT_ONCE, 1)
        self._is_flooding = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes a place; answers 429 or 503 when there is none."""
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        if reason := self.bounds.open(self, str(peer[0]) if peer else ""):
            self.transport.set_protocol(RefusedHttp(self.transport, reason))
            return
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Gives the place back."""
        self.bounds.close(self)
        if self.admitted is not None:
            self.admitted()
            self.admitted = None
        super().connection_lost(exc)

    def displace(self) -> None:
        """Ends a connection that has not been opened."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Takes bytes in slices, until they are too many at once."""
        view = memoryview(data)
        for start in range(0, len(data), _SLICE_BYTES):
            if self._is_flooding:
                return  # it was told so, and is not listened to any more
            super().data_received(bytes(view[start : start + _SLICE_BYTES]))
            if len(self.recv_messages.frames) > _MOST_WAITING:
                self._flooded("too_many_frames")

    def process_event(self, event: Any) -> None:
        """Takes one event of the protocol."""
        if getattr(event, "opcode", None) in (Opcode.PING, Opcode.PONG) and self._pings.wait_seconds(
            "", time.monotonic()
        ):
            self._flooded("too_many_pings")
            return
        super().process_event(event)

    def _flooded(self, reason: str) -> None:
        if not self._is_flooding:
            self._is_flooding = True
            self.bounds.count(reason)
            self.protocol.fail(CloseCode.POLICY_VIOLATION, reason.replace("_", " "))
            self.send_data()
            self.loop.call_later(2.0, self.transport.abort)
