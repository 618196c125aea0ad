"""Bounds one SMTP or LMTP session: its place, its time, its commands, and the bytes of its mail.

| happens                                                  | then                                               |
|----------------------------------------------------------|----------------------------------------------------|
| its address has its most sessions, or the listener       | 421, or the session that rested longest makes room |
| no mail is begun within a minute                         | 421 4.4.2                                          |
| a mail comes slower than 1 KB/s                          | 421 4.4.2                                          |
| its address, or all, have too many bytes under way       | 421 4.7.0, 421 4.3.1, at once                      |
| 300 replies without a mail that was taken (NOOP, RCPT)   | 421 4.7.0                                          |
| a mail is larger than is taken                           | 552; after as many bytes again the session ends    |
| replies are not read                                     | cut (`producers/sources/connections.py`)           |

A session rests from its last useful command (MAIL, RCPT, a mail) until the bytes of a mail. aiosmtpd keeps an object for each
line of a mail, so that 25 MB of blank lines take 800 MB: the bytes are read here instead, in pieces.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Protocol

from aiosmtpd.smtp import syntax

from producers.mail import event as email
from producers.security.proxies import share_of
from producers.security.shares import Shares
from producers.sources.connections import Connections
from schemas import metrics

__all__ = ["LINE_BYTES", "REST_SECONDS", "BoundedSession", "SessionOwner", "peer_of"]

#: Far above the 998 octets of RFC 5322: mailers that write a whole page as one line are common.
LINE_BYTES = 1 << 20
#: A session that did nothing useful for so long makes room for another one.
REST_SECONDS = 10.0
#: Of a command line (RFC 5321 says 512; extensions add to it), and of what is read of a mail at once.
_COMMAND_BYTES, _PIECE_BYTES = 4_096, 65_536
#: The first piece of a mail may take so long, and a mail a second more for each so many bytes.
_MAIL_BEGINS_SECONDS, _BYTES_PER_SECOND = 60.0, 1_000
_LITTLE_BYTES = 65_536
_MOST_REPLIES = 300
#: After its last reply a session is read for so long, so that the client sees the reply before the end.
_GOODBYE_SECONDS = 2.0
_END = b"\r\n.\r\n"
_USEFUL = ("250 2.1.0", "250 2.1.5", "250 2.0.0", "354")
#: First words of a refusing reply → the reason in the metrics.
_REFUSALS = {
    "421 4.4.2": "too_slow",
    "421 4.7.0 too much mail": "too_many_bytes",
    "421 4.7.0 too many commands": "too_many_commands",
    "421 4.3.1": "too_many_bytes_in_all",
    "451 4.3.0 we cannot": "unavailable",
    "450 4.7.1": "rate_limited",
    "452 4.5.3": "too_many_recipients",
    "500 Line too long": "line_too_long",
    "550": "not_our_domain",
    "552": "too_large",
}
_PLACES = {
    "too_many_of_address": b"421 4.7.0 too many sessions from your address; please come back in a moment\r\n",
    "too_many_connections": b"421 4.3.2 too many connections; please come back in a moment\r\n",
}


class SessionOwner(Protocol):
    """Describes what the sessions of one listener share.

    bounds         their places
    bytes          of mails that are not answered, in the shares of their clients
    begin_seconds  until a mail must be begun
    sessions       those that are open
    """

    bounds: Connections
    bytes: Shares
    begin_seconds: float
    sessions: set[Any]


class BoundedSession:
    """Is mixed into aiosmtpd's SMTP and LMTP. `event_handler` is the `SessionOwner`."""

    line_length_limit = LINE_BYTES
    event_handler: SessionOwner
    transport: Any
    envelope: Any
    loop: Any
    _reader: Any
    _tls_protocol: Any
    _original_transport: Any
    _timeout_duration: float
    _client = ""
    _replies = _held = 0
    _opened = 0.0
    _has_begun = False

    # -- its place

    def connection_made(self, transport: Any) -> None:
        """Takes a place; answers 421 when there is none."""
        owner = self.event_handler
        if self not in owner.sessions:  # STARTTLS tells of the same connection again
            peer = peer_of(transport.get_extra_info("peername"))
            if reason := owner.bounds.open(self, peer):
                transport.write(_PLACES[reason])
                transport.close()
                return
            owner.sessions.add(self)
            self._client, self._opened = share_of(peer), self.loop.time()
        super().connection_made(transport)  # type: ignore[misc]
        self._reader._limit = _COMMAND_BYTES

    def connection_lost(self, error: Exception | None) -> None:
        """Gives the place back, once."""
        owner = self.event_handler
        if self in owner.sessions:
            owner.sessions.discard(self)
            owner.bounds.close(self)
            super().connection_lost(error)  # type: ignore[misc]

    def displace(self) -> None:
        """Ends a session that rests, for another one that needs its place."""
        self._end(b"421 4.7.0 others need this place; please come back in a moment\r\n")

    def dismiss(self) -> None:
        """Ends the session because the listener stops."""
        self._end(b"421 4.3.2 we are stopping; goodbye\r\n")

    @property
    def in_a_mail(self) -> bool:
        """Says if a mail was begun and not yet answered."""
        return self.transport is not None and bool(self.envelope and self.envelope.mail_from)

    def _end(self, reply: bytes) -> None:
        """Says goodbye. What asyncio does not tell of (a TLS handshake that never ended) is gone soon, too."""
        if self.transport is not None and not self.transport.is_closing():
            if reply and (self._tls_protocol is None or self._tls_protocol._state.name == "WRAPPED"):
                self.transport.write(reply)
            self.transport.close()
        self.loop.call_later(_GOODBYE_SECONDS, self._cut)

    def _cut(self) -> None:
        if self in self.event_handler.sessions:
            for transport in (self.transport, self._original_transport):
                if transport is not None:
                    transport.abort()
            self.connection_lost(None)

    # -- its time

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Starts the time until the next command: of a session without a mail, what is left of its first minute."""
        if duration is None and not self._has_begun:
            begins_seconds = self._opened + self.event_handler.begin_seconds - self.loop.time()
            duration = max(0.01, min(self._timeout_duration, begins_seconds))
        super()._reset_timeout(duration)  # type: ignore[misc]

    def _timeout_cb(self) -> None:
        _count("421 4.4.2")
        self._end(b"421 4.4.2 you were silent or slow for too long; goodbye\r\n")

    async def smtp_STARTTLS(self, arg: str) -> None:
        """Does the handshake. asyncio tells nobody of a connection that is lost meanwhile."""
        await super().smtp_STARTTLS(arg)  # type: ignore[misc]
        if self._original_transport is not None and self._original_transport.is_closing():
            self.connection_lost(None)

    # -- its commands

    async def push(self, status: str) -> None:
        """Sends a reply, and counts it when it refuses something."""
        _count(status)
        self._replies += 1
        if status.startswith(_USEFUL):
            self._has_begun = True
            self.event_handler.bounds.works(self)
            self.event_handler.bounds.rests(self)
        if status.startswith("250 2.0.0"):
            self._replies = 0
        await super().push(status)  # type: ignore[misc]
        if self._replies == _MOST_REPLIES:
            await self._refuse("421 4.7.0 too many commands without a mail; goodbye")

    async def _refuse(self, status: str) -> None:
        """Sends a last reply; what the client still sends is read for a moment, or it would not see the reply."""
        await self.push(status)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                while await self._reader.read(_PIECE_BYTES):
                    pass
        self._end(b"")

    # -- its mail

    @syntax("DATA")  # type: ignore[untyped-decorator]
    async def smtp_DATA(self, arg: str) -> None:
        """Reads a mail, hands it to the handler, and sends what that answers."""
        if await self.check_helo_needed() or await self.check_auth_needed("DATA"):  # type: ignore[attr-defined]
            return
        if arg or not self.envelope.rcpt_tos:
            await self.push("501 Syntax: DATA" if arg else "503 Error: need RCPT command")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        bounds = self.event_handler.bounds
        bounds.works(self)
        self._reader._limit = _PIECE_BYTES
        try:
            content, refused = await self._content()
            self._reader._limit = _COMMAND_BYTES
            if refused.startswith("421"):
                await self._refuse(refused)
                return
            self._reset_timeout()
            if not refused:
                self.envelope.content = self.envelope.original_content = content
                del content
                refused = await self._call_handler_hook("DATA")  # type: ignore[attr-defined]
            self._set_post_data_state()  # type: ignore[attr-defined]
            await self.push(refused)
        finally:
            self.event_handler.bytes.give_back(self._client, self._held)
            self._held = 0
            bounds.rests(self)

    async def _content(self) -> tuple[bytes, str]:
        """Returns the mail as it was written, or the reply that refuses it. Nothing is kept from the first byte too many."""
        content, size_bytes, refused = bytearray(), 0, ""
        most = self.data_size_limit  # type: ignore[attr-defined]
        began = self.loop.time()
        self._reset_timeout(_MAIL_BEGINS_SECONDS)
        self._reader._buffer[:0] = b"\r\n"  # so that the end of an empty mail is found as any other
        ended = False
        while not ended:
            try:
                piece = await self._reader.readuntil(_END)
                ended = True
            except asyncio.LimitOverrunError as more:
                piece = await self._reader.read(more.consumed)
                slow_seconds = _MAIL_BEGINS_SECONDS + (size_bytes + len(piece)) / _BYTES_PER_SECOND
                self._reset_timeout(max(0.01, began + min(slow_seconds, self._timeout_duration) - self.loop.time()))
            size_bytes += len(piece)
            if not refused and size_bytes - 5 > most:
                refused = "552 Error: Too much mail data"
                content.clear()
            if refused and size_bytes > 2 * most + _PIECE_BYTES:
                return b"", "421 4.7.0 too much mail data; goodbye"
            if not refused:
                if denied := self._hold(len(piece), size_bytes):
                    return b"", denied
                content += piece
        if refused:
            return b"", refused
        mail = bytes(memoryview(content)[2:-3])
        del content
        if has_longer_line(mail, LINE_BYTES):
            return b"", "500 Line too long (see RFC5321 4.5.3.1.6)"
        if mail.startswith(b"."):
            mail = mail[1:]
        return mail.replace(b"\r\n.", b"\r\n") if b"\r\n." in mail else mail, ""

    def _hold(self, count: int, in_all: int) -> str:
        """Takes bytes of this client's share. Returns the reply when there are none."""
        denied = self.event_handler.bytes.take(self._client, count, little=in_all <= _LITTLE_BYTES)
        if denied == "client":
            return "421 4.7.0 too much mail from your address at once; please send it again later"
        if denied:
            return "421 4.3.1 we are sent too much mail at once; please send it again later"
        self._held += count
        return ""


def has_longer_line(content: bytes, most: int) -> bool:
    """Says if a line, without its end, has more bytes than this. Looks at few places of a usual mail."""
    start = 0
    while len(content) - start > most:
        end = content.rfind(b"\r\n", start, start + most + 2)
        if end < 0:
            return True
        start = end + 2
    return False


def peer_of(peer: Any) -> str:
    """Returns the address of a socket's peer."""
    return str(peer[0]) if isinstance(peer, tuple) and peer else "local"


def _count(status: str) -> None:
    for begins, reason in _REFUSALS.items():
        if status.startswith(begins):
            metrics.CONTACTS_REFUSED.labels(email.CHANNEL, reason).inc()
            return
