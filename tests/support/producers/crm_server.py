"""Runs a CRM whose answers a test can change, and makes the contacts whose customers are looked up there."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from producers.customers.enrichment import Directory
from producers.customers.profiles import Profile
from schemas import metrics
from schemas.events import MessageReceived
from schemas.identity import customer_tag


def message(who: str = "email:ann@example.org", number: int = 1) -> MessageReceived:
    return MessageReceived(
        event_id=f"E{who}{number}",
        occurred_at=1,
        received_at=2,
        customer_tag=customer_tag(who),
        channel="chat",
        customer_id=who,
        address=who.partition(":")[2],
        text="Hello",
    )


def counted(outcome: str) -> float:
    return metrics.DIRECTORY_LOOKUPS.labels(outcome)._value.get()


def found(known: Directory, who: str = "email:ann@example.org") -> Profile:
    return known.ask(who).result(60)


class Crm(ThreadingHTTPServer):
    """A CRM whose behaviour can be changed while it runs. `asked` is what it was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.answer: Callable[[Handler], None] = lambda handler: handler.say(200, {"id": 4711, "name": "Ann Lee"})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/customers?id={{customer_id}}"

    def handle_error(self, *_: Any) -> None:
        """Clients that hang up are what is tested here."""


class Handler(BaseHTTPRequestHandler):
    server: Crm
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append(parse_qs(urlsplit(self.path).query).get("id", [self.path])[0])
        self.server.headers.append(dict(self.headers))
        self.server.answer(self)

    def say(self, status: int, body: Any) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        pass


def slowly(seconds: float, released: threading.Event | None = None) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        (released or threading.Event()).wait(seconds)
        handler.say(200, {"customer_id": "4711"})

    return answer


class MovableClock:
    """A monotonic clock that a test can put ahead, in seconds."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead
