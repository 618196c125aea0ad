"""A help desk that listens: a real HTTP server which verifies, remembers, and answers as a test tells it to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from schemas import signature
from schemas.errors import Refused

SECRET = "the-secret-of-this-receiver"


@dataclass(frozen=True)
class Heard:
    """One request that came with a good signature, and how it was answered."""

    delivery: str
    kind: str
    body: dict[str, Any]
    status: int
    at: float


@dataclass(frozen=True)
class Say:
    """An answer: after `seconds`."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    text: str = "ok"


class Receiver:
    """Listens on a port of its own until `stop`. `answers` is asked what to say to each body; `heard` is in order."""

    def __init__(self, answers: Callable[[dict[str, Any]], Say] = lambda body: Say(), port: int = 0) -> None:
        self.answers = answers
        self.heard: list[Heard] = []
        self.forged: list[str] = []
        self.open, self.most_open, self.connections = 0, 0, 0
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.take(self, raw)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 64

            def process_request(self, *given: Any) -> None:
                receiver.connections += 1
                super().process_request(*given)

            def handle_error(self, *_: Any) -> None:
                pass  # a sink that was killed leaves its connections behind

        self._server = Server(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hooks/in"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def take(self, request: BaseHTTPRequestHandler, raw: bytes) -> None:
        try:
            head = signature.RequestHead("POST", request.path, request.headers["Idempotency-Key"])
            given = signature.RequestSignature.parse(request.headers[signature.HEADER])
            given.verify_head(head, [SECRET], wall=time.time())
            given.verify_body(raw)
            signature.verify(request.headers[signature.HEADER], raw, [SECRET], wall=time.time())  # for one more release
        except Refused as refused:
            self.forged.append(str(refused))
            self._say(request, Say(401))
            return
        body = json.loads(raw)
        say = self.answers(body)
        with self._lock:
            names = request.headers["Deskstream-Delivery"], request.headers["Deskstream-Type"]
            self.heard.append(Heard(*names, body, say.status, time.monotonic()))
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        time.sleep(say.seconds)
        with self._lock:
            self.open -= 1
        self._say(request, say)

    @staticmethod
    def _say(request: BaseHTTPRequestHandler, say: Say) -> None:
        text = say.text.encode()
        request.send_response(say.status)
        for name, value in {"Content-Length": str(len(text)), **say.headers}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(text)

    def taken(self) -> list[Heard]:
        """What was answered with 2xx, the first time of each delivery."""
        with self._lock:
            return list({each.delivery: each for each in reversed(self.heard) if each.status < 300}.values())[::-1]

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def subscribe(folder: Path, **receivers: Receiver | dict[str, Any]) -> str:
    """A subscriptions' file; each keyword is a name, its value the receiver or the entry's own keys."""
    entries = []
    for name, given in receivers.items():
        own = {"url": given.url} if isinstance(given, Receiver) else given
        entries.append({"name": name.replace("_", "-"), "secret": SECRET, "facts": "*"} | own)
    path = folder / "webhooks.yaml"
    draft = folder / "webhooks.draft"
    draft.write_text(yaml.safe_dump({"subscriptions": entries}))
    return str(draft.replace(path))  # in one piece: the sink of the test watches it
