"""Bounds what one client may have under way at once: requests, and bytes of their bodies.

A client is the address that a request comes from; behind a trusted proxy, the address that the proxy names. A body counts as
its bytes arrive, until its request is answered: also while Kafka takes it. The first part of a body does not count against
the share of its client, so that one whose share others use up (150 unfinished bodies behind the same NAT) is still served.

| happens                                        | the client is told                    | counted as              |
|------------------------------------------------|---------------------------------------|-------------------------|
| it has too many requests under way             | 429, Retry-After                      | `too_many_requests`     |
| it sends at more than twice the rate of a form | 429, Retry-After                      | `rate_limited`          |
| it has too many bytes under way                | 429, Retry-After, the connection ends | `too_many_bytes`        |
| all clients together have                      | 503, Retry-After, the connection ends | `too_many_bytes_in_all` |
| its oldest unfinished body makes room for this | (the other request) 408               | `too_slow`              |
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict

from starlette.types import ASGIApp, Receive, Scope, Send

from producers.security.proxies import share_of
from producers.security.ratelimit import RateLimit
from producers.security.shares import Shares
from producers.sources.http.requests import HELD, TooMany, refusal, too_many
from schemas import metrics
from schemas.errors import Refused
from schemas.settings import ProducerSettings

__all__ = ["ClientLimits", "HeldBody"]

#: The first bytes of each body, which every client may send.
_LITTLE_BYTES = 32_768
#: A body whose bytes or place others need is read for so long in any case.
_READING_SECONDS = 3.0
#: The label of what is refused before anybody knows its channel.
_CHANNEL = "none"


class HeldBody:
    """Counts the bytes of one request's body. `requests.read_body` tells it what it reads."""

    __slots__ = ("_began", "_bytes", "_client", "_limits", "_reading")

    def __init__(self, limits: ClientLimits, client: str) -> None:
        self._limits, self._client = limits, client
        self._bytes, self._began = 0, time.monotonic()
        self._reading: asyncio.Timeout | None = None

    def reads(self, timeout: asyncio.Timeout | None) -> None:
        """Notes that the body is being read, within this timeout; with None, that it is read no longer."""
        self._reading = timeout
        if timeout is None:
            self._limits.unfinished.pop(self, None)
        else:
            self._limits.unfinished[self] = None

    def add(self, count: int) -> None:
        """Takes bytes that have come.

        Raises:
            Refused: `too_many_bytes` of this client, `too_many_bytes_in_all`.
        """
        little = self._bytes + count <= _LITTLE_BYTES
        denied = self._limits.bytes.take(self._client, count, little=little)
        if denied:
            self._limits.displace(self._client if denied == "client" else "")
        if denied == "client":
            raise Refused("too_many_bytes", "you send too much at once; send the same again later")
        if denied:
            raise Refused("too_many_bytes_in_all", "we are sent too much at once; please send the same again")
        self._bytes += count

    def release(self) -> None:
        """Gives the bytes back: the request is answered."""
        self.reads(None)
        if self._bytes:
            self._limits.bytes.give_back(self._client, self._bytes)

    def displaced_by(self, client: str) -> bool:
        """Ends the reading of the body for a request of `client` ("": of anybody). Returns whether it could be ended."""
        if self._reading is None or self._reading.expired() or client not in ("", self._client):
            return False
        if time.monotonic() - self._began < _READING_SECONDS:
            return False
        self._reading.reschedule(0.0)
        self.reads(None)
        return True


class ClientLimits:
    """Wraps the application, so that no request goes in beyond the limits of its client.

    bytes       of all bodies, in the shares of their clients
    unfinished  the bodies that are being read, the oldest first
    """

    def __init__(self, app: ASGIApp, settings: ProducerSettings) -> None:
        self.app = app
        self.bytes = Shares(settings.http_bytes_at_once, settings.http_bytes_per_address)
        self.unfinished: OrderedDict[HeldBody, None] = OrderedDict()
        of_address = settings.http_connections_per_address
        self._requests = Shares(max(settings.http_connections, of_address) * 2, of_address)
        # The routes limit their own requests; this is for those that have no limit, such as pages.
        self._rate = RateLimit(2 * settings.endpoint_requests_per_second, 2 * settings.endpoint_burst_requests)
        metrics.LISTENER_BYTES.labels("http").set_function(lambda: self.bytes.used)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request, or answers that its client has too many."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        client = share_of(scope["client"][0]) if scope.get("client") else ""
        wait_seconds = self._rate.wait_seconds(client, time.monotonic())
        if wait_seconds:
            return await too_many(_CHANNEL, TooMany(wait_seconds))(scope, receive, send)
        if self._requests.take(client):
            self.displace(client)
            refused = Refused("too_many_requests", "your address has too many requests under way; come back later")
            return await refusal(_CHANNEL, refused)(scope, receive, send)
        held = HeldBody(self, client)
        scope[HELD] = held
        try:
            await self.app(scope, receive, send)
        finally:
            held.release()
            self._requests.give_back(client)

    def displace(self, client: str) -> None:
        """Ends the oldest body that a client ("": anybody) is still sending, to make room for the next request."""
        for held in self.unfinished:
            if held.displaced_by(client):
                return
