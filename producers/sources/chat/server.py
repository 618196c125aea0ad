"""Serves live chat: visitors' WebSockets at one end, Kafka at the other.

The `websockets` library serves them, and not the web framework of the other producers: it tells the application why a
connection ended (too large, not UTF-8), which is counted, and costs least per open socket. It serves the few pages too.

Guards, in this order: connections in all and of one address · Origin · frame size · pings · frames per connection · begun
conversations per address · the checks of the conversation itself. Each refusal is counted with its reason.

Several processes: each sees every conversation, so a visitor may come back to any of them. Places in the queue and
free slots are the same everywhere. What needs one process is time: a visitor who is away is given up by the process
that had them. So let a balancer keep visitors where they are (by address), and name the processes (`chat_instance`).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import secrets
import socket
import threading
import time
from functools import partial
from http import HTTPStatus
from typing import Any

import structlog
import uvloop
import websockets.asyncio.server as ws
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from producers.channels import chat
from producers.channels import chat_protocol as frames
from producers.publisher import Publisher
from producers.security.proxies import Proxies, share_of
from producers.security.ratelimit import RateLimit
from producers.security.shares import Shares
from producers.sources.chat.connection import BoundedConnection
from producers.sources.chat.conversations import Live
from producers.sources.chat.hub import Hub
from producers.sources.chat.log import Log
from producers.sources.chat.pages import page
from producers.sources.connections import Connections
from producers.sources.http.pages import headers_of
from producers.sources.reconnect import keep_connected
from producers.text.fields import FieldProblems
from schemas import metrics
from schemas.clock import MICROS
from schemas.errors import ConfigurationError, Refused, Unavailable
from schemas.process import Health
from schemas.settings import ChatSettings

__all__ = ["PATH", "serve"]

PATH = "/chat"
#: So many frames that cannot be read, or come too fast, end a connection.
_STRIKES = 20
#: So many frames, or characters of them, wait for a client that does not read them before it is disconnected.
_UNREAD, _UNREAD_CHARACTERS = 1_000, 500_000
_TICK_SECONDS = 1.0
#: A full collection stops everybody's chats, the longer the more sockets are open: let it be rare.
_GC_THRESHOLDS = (20_000, 50, 100)
_REASONS = {1007: "bad_encoding", 1009: "too_large"}

log = structlog.get_logger("producers.chat")


def serve(settings: ChatSettings, publisher: Publisher, health: Health, stop: threading.Event) -> None:
    """Serves until `stop` is set, then finishes what is on its way to Kafka.

    Raises:
        ConfigurationError: the port is taken, or a setting is malformed.
    """
    gc.set_threshold(*_GC_THRESHOLDS)
    server = Server(settings, publisher, health)
    with _listener(settings) as listener, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.run(listener, stop))


def rules_of(settings: ChatSettings) -> chat.Rules:
    """Returns the settings as the conversations need them; durations on the pipeline clock."""
    given = [secret.strip() for secret in settings.chat_secrets.get_secret_value().split(",") if secret.strip()]
    if not given:
        log.warning("resuming_ends_with_the_process", fix="set DESKSTREAM_CHAT_SECRETS")
    micros = MICROS * settings.pipeline_clock.speed
    user_secrets = settings.user_secrets.get_secret_value()
    return chat.Rules(
        source=f"chat:{settings.chat_instance or socket.gethostname()}",
        secrets=tuple(given) or (secrets.token_urlsafe(32),),
        line_characters=settings.chat_line_characters,
        grace=round(settings.chat_grace_seconds * micros),
        idle=round(settings.chat_idle_seconds * micros),
        longest=round(settings.chat_longest_seconds * micros),
        user_secrets=tuple(secret for each in user_secrets.split(",") if (secret := each.strip())),
    )


class Server:
    """Runs the process: sockets, the log's reader, the clock."""

    def __init__(self, settings: ChatSettings, publisher: Publisher, health: Health) -> None:
        self._settings, self._publisher, self._health = settings, publisher, health
        self.hub = Hub(settings, publisher, rules_of(settings))
        self._log = Log(settings, self.hub.see)
        self._origins = _list(settings.chat_origins.lower())
        self._proxies = Proxies.parse(settings.chat_trusted_proxies, "DESKSTREAM_CHAT_TRUSTED_PROXIES")
        most, of_address = settings.chat_max_connections, settings.chat_max_per_address
        self._visits = Shares(most, of_address)
        # Twice as many: pages are fetched on connections of their own, and those of a proxy are told apart by `_admit`.
        self._bounds = Connections("chat", chat.CHANNEL, 2 * most, 2 * of_address, proxies=self._proxies)
        self._starts = RateLimit(settings.chat_starts_per_minute / 60, max(1.0, settings.chat_starts_per_minute))

    async def run(self, listener: socket.socket, stop: threading.Event) -> None:
        settings = self._settings
        connected = keep_connected(
            self._publisher,
            self._health,
            else_ready=lambda: self.hub.ready and not stop.is_set(),
            else_wrong=lambda: self._log.problem,
        )
        service = self.hub.service
        runs = self._log.run(), connected, service.hours.run(), service.reply_times.run()
        tasks = [asyncio.create_task(each) for each in runs]
        try:
            async with ws.serve(
                self._visit,
                sock=listener,
                process_request=self._admit,
                max_size=settings.chat_frame_bytes,
                max_queue=8,
                create_connection=partial(BoundedConnection, bounds=self._bounds),  # type: ignore[arg-type]
                compression=None,
                ping_interval=20,
                ping_timeout=30,
                server_header=None,
                logger=_quiet(),
            ) as server:
                host, port = listener.getsockname()[:2]
                url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
                log.info("listening", url=url, port=port)
                await self._tick_until(stop)
                self._health.ready = False
                server.close(code=1001, reason="the server goes away")
                await server.wait_closed()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _tick_until(self, stop: threading.Event) -> None:
        due = 0.0
        while not stop.is_set():
            self._health.beat()
            if not self.hub.ready and self._log.caught_up.is_set():
                self.hub.caught_up()
                gc.collect()
                gc.freeze()  # what was imported and read stays: no collection need walk it
            if time.monotonic() >= due:
                due = time.monotonic() + _TICK_SECONDS
                try:
                    self.hub.show_offer()  # also while it is not ready, for then it is not on offer
                    if self.hub.ready:
                        self.hub.pass_time()
                except Exception:  # a defect in one conversation must not stop the clock of all
                    log.exception("time_did_not_pass")
            await asyncio.sleep(0.1)

    # -- connections -----------------------------------------------------------------------------------------------

    def _admit(self, connection: ws.ServerConnection, request: Request) -> Response | None:
        """Returns the pages; for a WebSocket, the refusal of one that may not be opened."""
        path = request.path.partition("?")[0]
        if path != PATH:
            found = page(path)
            if found is None:
                return _response(
                    HTTPStatus.NOT_FOUND, "text/plain", b"there is /, /widget.js, /asyncapi.json and /chat\n"
                )
            return _response(HTTPStatus.OK, *found)
        if not self._welcome_from(request.headers):
            return _refused("bad_origin", HTTPStatus.FORBIDDEN)
        address = self._address(connection, request)
        few = self._visits.held(address) < max(1, self._visits.per_client // 8)
        if denied := self._visits.take(address, little=few):
            if denied == "client":
                return _refused("too_many_of_address", HTTPStatus.TOO_MANY_REQUESTS)
            return _refused("too_many_connections", HTTPStatus.SERVICE_UNAVAILABLE)
        assert isinstance(connection, BoundedConnection)
        connection.admitted = partial(self._visits.give_back, address)
        self._bounds.works(connection)
        return None

    def _welcome_from(self, headers: Headers) -> bool:
        """Tells if the page that embeds us may: it is on the list, or ours. Browsers always tell; who does not is none."""
        if "*" in self._origins:
            return True
        origin = headers.get("Origin", "").lower()
        if self._origins:
            return origin in self._origins
        return bool(origin) and origin.partition("://")[2] == headers.get("Host", "").lower()

    def _address(self, connection: ws.ServerConnection, request: Request) -> str:
        peer = connection.remote_address
        forwarded = ",".join(request.headers.get_all("X-Forwarded-For"))
        return share_of(self._proxies.client(str(peer[0]) if peer else "", forwarded))

    # -- one visitor --------------------------------------------------------------------------------------------

    async def _visit(self, connection: ws.ServerConnection) -> None:
        assert connection.request is not None
        address = self._address(connection, connection.request)
        visitor = Visitor(self, connection, address)
        metrics.CHAT_SOCKETS.inc()
        writing = asyncio.create_task(visitor.write())
        try:
            visitor.send(self.hub.offer(connection.request.headers.get("Origin", "")))
            await visitor.read()
        except ConnectionClosed as closed:
            if closed.sent is not None and (reason := _REASONS.get(closed.sent.code)):
                _count(chat.CHANNEL, reason)
        except Exception:
            log.exception("visit_failed")
        finally:
            metrics.CHAT_SOCKETS.dec()
            writing.cancel()
            if visitor.live is not None:
                await self.hub.detach(visitor.live, visitor)

    def wait_to_start(self, address: str) -> float:
        """Returns the seconds until this address may begin another conversation; 0 when it may now."""
        return self._starts.wait_seconds(address, time.monotonic())


class Visitor:
    """Serves one open socket. Frames are taken one after the other; what is sent waits in a queue of its own."""

    def __init__(self, server: Server, connection: ws.ServerConnection, address: str) -> None:
        self._server, self._hub, self._socket, self._address = server, server.hub, connection, address
        settings = server._settings
        self._limit = RateLimit(settings.chat_frames_per_second, settings.chat_frames_burst, 1)
        self._unsent: asyncio.Queue[str] = asyncio.Queue(_UNREAD)
        self._unsent_characters = 0
        self._strikes = 0
        self._leaving: asyncio.Task[None] | None = None
        self.live: Live | None = None

    def send(self, *shown: frames.ServerFrame) -> None:
        """Queues frames; a client that does not read is disconnected, and resumes."""
        try:
            if shown and self._unsent_characters > _UNREAD_CHARACTERS:  # one long history alone may be longer
                raise asyncio.QueueFull
            for frame in shown:
                text = frames.encode(frame)
                self._unsent.put_nowait(text)
                self._unsent_characters += len(text)
        except asyncio.QueueFull:
            _count(chat.CHANNEL, "does_not_read")
            self.close(4002, "does not read")

    def close(self, code: int, reason: str) -> None:
        """Says goodbye; what still comes is read and dropped, or the client's own goodbye would be stuck behind it."""
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._leave(code, reason))

    async def _leave(self, code: int, reason: str) -> None:
        await self._flush()
        await self._socket.close(code, reason)

    async def write(self) -> None:
        """Sends what is queued until cancelled or closed."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                text = await self._unsent.get()
                await self._socket.send(text)
                self._unsent_characters -= len(text)

    async def read(self) -> None:
        """Takes frames until the connection is closed."""
        async for message in self._socket:
            if self._leaving is not None:
                continue
            await self._take(message)
            if self._strikes >= _STRIKES:
                _count(chat.CHANNEL, "struck_out")
                self.close(1008, "too many frames that were not taken")

    async def _take(self, message: Any) -> None:
        began = time.perf_counter()
        line = ""
        try:
            if not isinstance(message, str):
                raise Refused("bad_frame", "send JSON in text messages")
            frame = frames.decode(message)
            line = getattr(frame, "line", "")
            if wait := self._limit.wait_seconds("", time.monotonic()):
                self._strikes += 1
                raise Unavailable("rate_limited", retry_after=wait)
            await self._dispatch(frame)
            if isinstance(frame, frames.Line):
                metrics.CHAT_LINE_SECONDS.observe(time.perf_counter() - began)
            self._strikes = 0
        except Refused as refused:
            self._strikes += refused.reason == "bad_frame"
            _count("form" if message_is_leave(message) else chat.CHANNEL, refused.reason)
            problems = refused.fields if isinstance(refused, FieldProblems) else {}
            self.send(frames.Problem(reason=refused.reason, detail=refused.detail, line=line, fields=problems))
        except Unavailable as error:
            reason = "rate_limited" if str(error) == "rate_limited" else "unavailable"
            _count(chat.CHANNEL, reason)
            self.send(
                frames.Problem(
                    reason=reason,
                    detail="this cannot be taken right now; it will be taken later",
                    line=line,
                    retry_after=max(0.1, round(error.retry_after, 1)),
                )
            )

    async def _dispatch(self, frame: frames.VisitorFrame) -> None:
        if isinstance(frame, frames.Start | frames.Leave) and (wait := self._server.wait_to_start(self._address)):
            raise Unavailable("rate_limited", retry_after=wait)
        if isinstance(frame, frames.Start | frames.Resume):
            begin = self._hub.start if isinstance(frame, frames.Start) else self._hub.resume
            before, self.live = self.live, None
            if before is not None:
                await self._hub.detach(before, self)
            self.live = await begin(frame, self)  # type: ignore[arg-type]
        elif isinstance(frame, frames.Typing):
            if self.live is not None and self.live.state.phase in ("queued", "answered"):
                self._hub.typing(self.live, frame.on)
        else:
            await self._hub.take(None if isinstance(frame, frames.Leave) else self.live, frame, self)

    async def _flush(self) -> None:
        """Lets the writer send what is queued, for a moment."""
        for _ in range(100):
            if self._unsent.empty():
                return
            await asyncio.sleep(0.01)


def message_is_leave(message: Any) -> bool:
    """Tells if a refused message was for the contact form, whose refusals are counted under `form`."""
    return isinstance(message, str) and '"leave"' in message[:200]


def _count(channel: str, reason: str) -> None:
    metrics.CONTACTS_REFUSED.labels(channel, reason).inc()


def _refused(reason: str, status: HTTPStatus) -> Response:
    _count(chat.CHANNEL, reason)
    response = _response(status, "application/json", b'{"reason": "%s"}\n' % reason.encode())
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        response.headers["Retry-After"] = "10"
    return response


def _response(status: HTTPStatus, media_type: str, body: bytes) -> Response:
    headers = {
        "Content-Type": media_type if "/json" in media_type else f"{media_type}; charset=utf-8",
        "Content-Length": str(len(body)),
        "Connection": "close",
        "Cache-Control": "no-cache" if status == HTTPStatus.OK else "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    }
    if media_type == "text/html":
        headers |= headers_of(body.decode(), may_connect=True)
    return Response(status.value, status.phrase, Headers(headers), body)


def _listener(settings: ChatSettings) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in settings.chat_host else socket.AF_INET
        return socket.create_server((settings.chat_host, settings.chat_port), family=family, backlog=4096)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {settings.chat_host}:{settings.chat_port}: {error.strerror or error}",
            where="DESKSTREAM_CHAT_PORT",
            fix="choose another port, or 0 for a free one",
        ) from error


def _list(text: str) -> frozenset[str]:
    return frozenset(part.strip().rstrip("/") for part in text.split(",") if part.strip())


def _quiet() -> Any:
    """Silences the library's own log: broken handshakes of port scanners are no events of ours."""
    import logging

    logger = logging.getLogger("websockets.server")
    logger.setLevel(logging.CRITICAL)
    return logger
