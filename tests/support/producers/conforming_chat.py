"""Live chat: a browser that keeps a line until it is acknowledged, and sends it again after every reconnect."""

from __future__ import annotations

import json
import time
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from schemas import codec
from schemas.events import PresenceChanged
from tests.conftest import KAFKA
from tests.support.producers.chat_visitor import FORM
from tests.support.producers.conformance import Answer, Channel, Process, Site
from tests.support.producers.log_reader import PRESENCE
from tests.support.timeouts import eventually

START = FORM | {"conversation": "conversation-of-the-suite", "line": "begin"}


class Chat(Channel):
    """One conversation; a contact is a line of it. Received means `ack`."""

    name = "chat"

    def __init__(self) -> None:
        self.process = Process(
            "chat",
            "chat",
            DESKSTREAM_CHAT_PORT="0",
            DESKSTREAM_CHAT_SECRETS="secret",
            DESKSTREAM_CHAT_INSTANCE="suite",
            DESKSTREAM_CHAT_GRACE_SECONDS="3600",
        )
        self._token = ""

    def open(self, site: Site) -> None:
        """Somebody is there who takes chats."""
        from kafka import KafkaProducer

        now = time.time_ns() // 1000
        mei = PresenceChanged(
            event_id="mei", occurred_at=now, received_at=now, customer_tag="", agent_id="mei", team="support",
            status="online", capacity={"chat": 5},
        )  # fmt: skip
        producer = KafkaProducer(bootstrap_servers=site.deployment.env[KAFKA], acks="all")
        producer.send(site.deployment.namespace + PRESENCE, codec.encode(mei), b"support").get(60)
        producer.close()

    def begin(self) -> None:
        eventually(self._is_offered)
        with self._socket() as socket:
            self._say(socket, "start", **START)
            self._token = self._hear(socket, "welcome", 90)["token"]
            self._hear(socket, "ack", 90)

    def _is_offered(self) -> bool:
        with self._socket() as socket:
            return bool(self._hear(socket, "offer", 90)["available"])

    def offer(self, number: int, seconds: float = 90.0) -> Answer:
        return self._write(str(number), f"Where is my parcel? {number}", seconds)

    def _write(self, line: str, text: str, seconds: float = 90.0) -> Answer:
        with self._socket() as socket:
            self._say(socket, "resume", token=self._token)
            frame = self._hear(socket, "state", seconds)
            if frame["type"] == "state":
                self._say(socket, "line", line=line, text=text)
                frame = self._hear(socket, "ack", seconds)
            if frame["type"] == "ack":
                return Answer.RECEIVED
            if frame["type"] == "problem":
                return Answer.LATER if "retry_after" in frame else Answer.REFUSED
            return Answer.SILENT

    def offer_oversize(self) -> Answer:
        with self._socket() as socket:
            return self._until_closed(socket, json.dumps({"type": "line", "line": "huge", "text": "x" * 40_000}), 1009)

    def offer_garbled(self) -> Answer:
        with self._socket() as socket:
            socket.protocol.send_text(b'{"type": "line", "line": "x", "text": "\xe9t\xe9"}')  # Latin-1
            socket.socket.sendall(b"".join(socket.protocol.data_to_send()))
            return self._until_closed(socket, "", 1007)

    def _until_closed(self, socket: ClientConnection, message: str, code: int) -> Answer:
        try:
            if message:
                socket.send(message)
            while True:
                assert json.loads(socket.recv(timeout=90))["type"] == "offer"
        except ConnectionClosed as closed:
            assert closed.rcvd is not None and closed.rcvd.code == code
            return Answer.REFUSED

    def forge(self) -> list[Answer]:
        token, self._token = self._token, "x" + self._token
        answers = [self._write("forged", "Let me in")]
        self._token = token
        try:
            with self._socket(origin="https://evil.example"):
                answers.append(Answer.RECEIVED)
        except InvalidStatus as refused:
            assert refused.response.status_code == 403
            answers.append(Answer.REFUSED)
        return answers

    def _socket(self, origin: str = "") -> ClientConnection:
        url = self.process.url
        return connect(
            f"{url.replace('http', 'ws')}/chat", origin=origin or url, proxy=None, open_timeout=60, max_size=2**22
        )  # type: ignore[arg-type]

    @staticmethod
    def _say(socket: ClientConnection, kind: str, **fields: Any) -> None:
        socket.send(json.dumps({"type": kind, **fields}))

    @staticmethod
    def _hear(socket: ClientConnection, kind: str, seconds: float) -> dict[str, Any]:
        """The next frame of this kind, or a problem, or of the kind `nothing`."""
        end = time.monotonic() + seconds
        while True:
            try:
                frame: dict[str, Any] = json.loads(socket.recv(timeout=max(0.01, end - time.monotonic())))
            except TimeoutError:
                return {"type": "nothing"}
            if frame["type"] in (kind, "problem"):
                return frame


CHANNELS: list[Channel] = [Chat()]
