"""Bounds the connections of a listener: in all, of one client, and how long one may hold a place that others need.

| happens                                      | then                                                                |
|----------------------------------------------|---------------------------------------------------------------------|
| a client has its most                        | the one of its own that rested longest makes room, or it is refused |
| all places but the reserve are taken         | a client with few connections gets one of the reserve               |
| the reserve is taken, too                    | whichever rested longest makes room, or it is refused               |
| what was sent is not read for half a minute  | the connection is cut                                               |
| a closed connection does not go              | it is cut after some seconds                                        |

A connection rests while nothing is under way on it: before a request or a mail, and between two. One that rests for less
than `rest_seconds` makes no room. A trusted proxy brings many clients on its connections, so it may have all but the reserve.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections import OrderedDict
from typing import Any, Protocol

import structlog

from producers.security.proxies import Proxies, share_of
from producers.security.shares import Shares
from schemas import metrics

__all__ = ["UNREAD_SECONDS", "Connections", "Held", "RefusedHttp", "allow_open_files"]

#: An answer of ours may lie unread for so long; so may a goodbye, but shorter.
UNREAD_SECONDS, _CLOSING_SECONDS = 30.0, 5.0
#: A client that reads so many bytes from one look to the next is a slow one, and no dead one.
_PROGRESS_BYTES = 8_192
_LOOK_SECONDS = 1.0
#: A refused connection is read no longer than this, so that its client may see the answer before the end.
_GOODBYE_SECONDS = 2.0
_MOST_LEAVING = 200
_ANSWERS = {
    "too_many_of_address": (429, b"Too Many Requests", b"too many connections from your address; come back later"),
    "too_many_connections": (503, b"Service Unavailable", b"too many connections; please come back in a moment"),
}
#: Files that a process has open beside its connections.
_OTHER_FILES = 256

log = structlog.get_logger("producers.connections")


class Held(Protocol):
    """Describes a connection as far as its bounds need it."""

    transport: Any

    def displace(self) -> None:
        """Ends the connection: another one needs its place."""


class _Place:
    """Holds what is known of one connection."""

    __slots__ = ("client", "closing_since", "unread", "unread_since")

    def __init__(self, client: str) -> None:
        self.client = client
        self.unread = 0
        self.unread_since: float | None = None
        self.closing_since: float | None = None


class Connections:
    """Holds the open connections of a listener. Not for several threads.

    listener      its label in the metrics
    channel       the label of its refusals
    rest_seconds  a connection makes room when it has rested for so long
    """

    def __init__(
        self,
        listener: str,
        channel: str,
        most: int,
        per_client: int,
        *,
        proxies: Proxies | None = None,
        rest_seconds: float = 1.0,
    ) -> None:
        self._channel, self._proxies, self._rest_seconds = channel, proxies or Proxies(), rest_seconds
        self._shares = Shares(most, per_client)
        self._few = max(1, self._shares.per_client // 8)
        self._places: dict[Held, _Place] = {}
        self._resting: OrderedDict[Held, float] = OrderedDict()  # → since, who rests longest first
        self._resting_of: dict[str, OrderedDict[Held, None]] = {}
        self._gauge = metrics.LISTENER_CONNECTIONS.labels(listener)
        self._looking: asyncio.TimerHandle | None = None
        allow_open_files(most)

    def __len__(self) -> int:
        return len(self._places)

    def open(self, connection: Held, peer: str) -> str:
        """Gives a connection its place. Returns "", or the reason why there is none."""
        client = share_of(peer)
        denied = self._take(client, peer)
        if denied and self._displace(client if denied == "client" else ""):
            denied = self._take(client, peer)
        if denied:
            reason = "too_many_of_address" if denied == "client" else "too_many_connections"
            self.count(reason)
            return reason
        self._places[connection] = _Place(client)
        self._gauge.set(len(self._places))
        self.rests(connection)
        if self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)
        return ""

    def close(self, connection: Held) -> bool:
        """Takes the place of a connection that is gone. Returns whether it had one."""
        place = self._places.pop(connection, None)
        if place is None:
            return False
        self._forget_rest(connection, place.client)
        self._shares.give_back(place.client)
        self._gauge.set(len(self._places))
        return True

    def rests(self, connection: Held) -> None:
        """Notes that nothing is under way on a connection from now on; does nothing when it rests already."""
        place = self._places.get(connection)
        if place is not None and connection not in self._resting:
            self._resting[connection] = time.monotonic()
            self._resting_of.setdefault(place.client, OrderedDict())[connection] = None

    def works(self, connection: Held) -> None:
        """Notes that something is under way: the connection keeps its place."""
        place = self._places.get(connection)
        if place is not None:
            self._forget_rest(connection, place.client)

    def count(self, reason: str) -> None:
        """Counts something that was turned away or cut."""
        metrics.CONTACTS_REFUSED.labels(self._channel, reason).inc()

    def _take(self, client: str, peer: str) -> str:
        few = self._shares.held(client) < self._few
        own_most = self._shares.open_to_all if self._proxies.are(peer) else 0
        return self._shares.take(client, little=few, most=own_most)

    def _displace(self, client: str) -> bool:
        """Ends the connection that rested longest, of a client or ("") of all. Returns whether there was one."""
        resting = self._resting_of.get(client) if client else self._resting
        connection = next(iter(resting or ()), None)
        if connection is None or time.monotonic() - self._resting[connection] < self._rest_seconds:
            return False
        self.count("displaced")
        self.close(connection)
        connection.displace()
        return True

    def _forget_rest(self, connection: Held, client: str) -> None:
        if self._resting.pop(connection, None) is not None:
            of_client = self._resting_of[client]
            del of_client[connection]
            if not of_client:
                del self._resting_of[client]

    def _look(self) -> None:
        """Cuts connections whose client does not read, or does not go; looks again in a second while there are any."""
        now = time.monotonic()
        for connection, place in list(self._places.items()):
            transport = connection.transport
            if transport is None:
                continue
            if (reason := _overdue(place, transport, now)) is not None:
                if reason:
                    self.count(reason)
                transport.abort()
        loop = asyncio.get_running_loop()
        self._looking = loop.call_later(_LOOK_SECONDS, self._look) if self._places else None


def _overdue(place: _Place, transport: Any, now: float) -> str | None:
    """Returns why a connection is cut now ("" when it was closed and is merely slow to go); None when it is not."""
    if transport.is_closing():
        place.closing_since = place.closing_since or now
        return "" if now - place.closing_since > _CLOSING_SECONDS else None
    unread = transport.get_write_buffer_size()
    if not unread or place.unread - unread >= _PROGRESS_BYTES or place.unread_since is None:
        place.unread_since = now if unread else None
        place.unread = unread
        return None
    place.unread = unread
    return "does_not_read" if now - place.unread_since > UNREAD_SECONDS else None


class RefusedHttp(asyncio.Protocol):
    """Answers a connection that has no place, and reads what its client still sends for a moment.

    Closed at once, the connection would be reset by what is unread, and the client would not see the answer. Of many
    refused connections only the first may stay for that moment.
    """

    _leaving = 0

    def __init__(self, transport: asyncio.Transport, reason: str) -> None:
        status, phrase, detail = _ANSWERS[reason]
        body = b'{"reason":"%b","detail":"%b"}\n' % (reason.encode(), detail)
        transport.write(
            b"HTTP/1.1 %d %b\r\nconnection: close\r\nretry-after: 5\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%b" % (status, phrase, len(body), body)
        )
        RefusedHttp._leaving += 1
        if RefusedHttp._leaving > _MOST_LEAVING:
            transport.close()
        elif transport.can_write_eof():
            transport.write_eof()
        self._end = asyncio.get_running_loop().call_later(_GOODBYE_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the connection."""
        RefusedHttp._leaving -= 1
        self._end.cancel()


def allow_open_files(connections: int) -> None:
    """Raises the limit of open files of this process as far as it may, for so many connections; warns when it is too low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + _OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    allowed = needed if hard == resource.RLIM_INFINITY else min(hard, needed)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        log.warning("few_open_files", allowed=allowed, needed=needed, fix="raise the limit of open files (ulimit -n)")
