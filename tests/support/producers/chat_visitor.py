"""A visitor for the tests of live chat: a real WebSocket client that speaks the protocol, and a real process to talk to."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from kafka import KafkaProducer
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from schemas import codec, identity
from schemas.events import Event, PresenceChanged
from schemas.facts import Outbound
from schemas.topics import TOPIC_OF
from tests.conftest import KAFKA, Deployment
from tests.support.producers.log_reader import free_port, logged, producer
from tests.support.timeouts import TIMEOUT_SECONDS, eventually

FORM = {
    "visitor": "visitor-0123456789",
    "conversation": "conversation-0123456789",
    "line": "l1",
    "text": "Where is my parcel?",
    "name": "Ann",
    "email": "Ann@example.org",
    "order_number": "A-17",
    "locale": "en-GB",
    "time_zone": "Europe/London",
    "page_url": "https://shop.example/cart?token=secret",
}
ANN = "email:ann@example.org"
TAG = identity.customer_tag(ANN)


class Visitor:
    """One open connection. `receive` waits for the next frame of a type and keeps all that came before it in `seen`."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.seen: list[dict[str, Any]] = []

    def send(self, type_: str, **fields: Any) -> None:
        self.socket.send(json.dumps({"type": type_, **fields}))

    def receive(self, type_: str, seconds: float = TIMEOUT_SECONDS, **fields: Any) -> dict[str, Any]:
        """The next frame of this type with these fields."""
        end = time.monotonic() + seconds
        while True:
            try:
                frame: dict[str, Any] = json.loads(self.socket.recv(timeout=max(0.01, end - time.monotonic())))
            except TimeoutError:
                raise TimeoutError(f"no {type_} came within {seconds:g} s, after {self.seen[-8:]}") from None
            self.seen.append(frame)
            if frame["type"] == type_ and fields.items() <= frame.items():
                return frame

    def start(self, **fields: Any) -> dict[str, Any]:
        """Begin a conversation; its welcome, once the first line is acknowledged."""
        self.send("start", **FORM | fields)
        welcome = self.receive("welcome")
        self.receive("ack", line=(FORM | fields)["line"])
        return welcome

    def line(self, line: str, text: str) -> dict[str, Any]:
        """Write a line; its acknowledgement."""
        self.send("line", line=line, text=text)
        return self.receive("ack", line=line)

    def closed(self, seconds: float = TIMEOUT_SECONDS) -> int:
        """The code with which the server closes the connection."""
        try:
            while True:
                self.seen.append(json.loads(self.socket.recv(timeout=seconds)))
        except TimeoutError:
            raise TimeoutError(f"not closed within {seconds:g} s, after {self.seen[-8:]}") from None
        except ConnectionClosed as closed:
            assert closed.rcvd is not None, "the connection broke"
            return closed.rcvd.code


class ChatServer:
    """A chat process, and the desk behind it."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, metrics_url: str, deployment: Deployment) -> None:
        self.process, self.url, self.metrics_url, self.deployment = process, url, metrics_url, deployment

    @contextmanager
    def visitor(self, **options: Any) -> Iterator[Visitor]:
        """A connection with the offer read."""
        address = self.url.replace("http", "ws") + "/chat"
        with connect(
            address, **{"origin": self.url, "proxy": None, "open_timeout": 60, "max_size": 2**22} | options
        ) as socket:
            visitor = Visitor(socket)
            visitor.receive("offer")
            yield visitor

    def counted(self, metric: str) -> dict[str, float]:
        """A counter's samples by their labels' values, without zeros."""
        lines = httpx.get(self.metrics_url + "/metrics", trust_env=False, timeout=60).text.splitlines()
        pattern = re.compile(rf"deskstream_{metric}_total(?:\{{(.*)\}})? (.*)")
        found = [match for line in lines if (match := pattern.match(line)) and float(match[2])]
        return {",".join(re.findall(r'"([^"]*)"', match[1] or "")): float(match[2]) for match in found}

    def connections(self) -> int:
        """How many connections the server holds."""
        page = httpx.get(self.metrics_url + "/metrics", trust_env=False, timeout=60).text
        found = re.search(r'^deskstream_listener_connections\{listener="chat"\} (.*)$', page, re.M)
        assert found
        return int(float(found[1]))

    def on_offer(self) -> tuple[int, int]:
        """What Prometheus is told: whether chat is within its hours, and whether it is offered."""
        page = httpx.get(self.metrics_url + "/metrics", trust_env=False, timeout=60).text
        hours, offered = (re.search(rf"^deskstream_chat_{name} (.*)$", page, re.M) for name in ("open", "offered"))
        assert hours and offered
        return int(float(hours[1])), int(float(offered[1]))

    def balance(self) -> tuple[float, float, float, float]:
        """received, published, duplicate, dead-lettered; they always balance."""
        received, published, duplicate, dead = (
            sum(self.counted(f"contacts_{name}").values())
            for name in ("received", "published", "duplicate", "dead_lettered")
        )
        assert received == published + duplicate + dead
        return received, published, duplicate, dead

    def offered(self, **options: Any) -> dict[str, Any]:
        """The offer that a new connection gets."""
        with self.visitor(**options) as visitor:
            return visitor.seen[0]

    def ready(self) -> bool:
        return httpx.get(self.metrics_url + "/readyz", trust_env=False, timeout=60).status_code == 200


class PipelineWriter:
    """Writes to Kafka what the rest of the pipeline would write: presences, answers."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._producer = KafkaProducer(bootstrap_servers=deployment.env[KAFKA], acks="all")
        self._told = 0

    def close(self) -> None:
        self._producer.close()

    def write(self, record: Any, key: str) -> int:
        """The record's offset."""
        topic = self._deployment.namespace + TOPIC_OF[type(record)].name
        return int(self._producer.send(topic, codec.encode(record), key.encode()).get(60).offset)

    def event(self, kind: type[Event], key: str, **fields: Any) -> int:
        self._told += 1
        now = time.time_ns() // 1000
        base: dict[str, Any] = {
            "event_id": f"desk-{self._told}-{now}",
            "occurred_at": now,
            "received_at": now,
            "customer_tag": TAG,
        }
        return self.write(kind(**base | fields), key)

    def present(self, capacity: int = 2, status: str = "online", agent: str = "mei") -> None:
        self.event(
            PresenceChanged, "support", agent_id=agent, team="support", status=status, capacity={"chat": capacity}
        )

    def say(self, thread_id: str, text: str, kind: str = "reply", ticket: str = f"{TAG}-1") -> int:
        """A message to the visitor as the workers write it; the number that its line has."""
        outbound = Outbound(
            customer_tag=TAG,
            version=1,
            partition=0,
            at=time.time_ns() // 1000,
            outbound_id=f"{kind}-{text}",
            ticket_id=ticket,
            kind=kind,
            channel="chat",
            address="visitor",
            text=text,
            thread_id=thread_id,
        )
        return self.write(outbound, TAG) + 1


@contextmanager
def chatting(deployment: Deployment, *, await_offer: bool = True, **env: str) -> Iterator[ChatServer]:
    """A real chat process, ready."""
    port = free_port()
    ours = {
        "DESKSTREAM_CHAT_PORT": "0",
        "DESKSTREAM_METRICS_PORT": str(port),
        "DESKSTREAM_CHAT_SECRETS": "new, old",
        "DESKSTREAM_CHAT_INSTANCE": "test",
        "DESKSTREAM_CHAT_STARTS_PER_MINUTE": "600",
    }
    with producer(deployment, "chat", **ours | env) as process:
        url = logged(process, r'"url": "(http[^"]+)"')[1]
        server = ChatServer(process, url, f"http://127.0.0.1:{port}", deployment)
        eventually(server.ready)
        if await_offer:
            eventually(lambda: server.offered()["available"])
        yield server
