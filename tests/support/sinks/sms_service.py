"""Runs an HTTP server that answers as the SMS service does."""

from __future__ import annotations

import json
import socket
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


class Server(ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 100


class Service:
    """Takes messages and lists them. `answers` are given first: a status and a body, 'taken' or 'lost' and no answer."""

    def __init__(self) -> None:
        self.taken: list[dict[str, str]] = []
        self.asked: list[tuple[str, str, str]] = []
        self.answers: list[Any] = []
        self.created = 0.0
        self.listed: list[Any] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                fields = dict(
                    parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode(), strict_parsing=True)
                )
                service.asked.append(("POST", self.path, self.headers["Authorization"]))
                answer = service.answers.pop(0) if service.answers else "taken"
                if answer in ("taken", "taken and lost", "taken and 503"):
                    service.taken.append(fields)
                if answer in ("lost", "taken and lost"):
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                if answer == "taken and 503":
                    answer = (503, {})
                self.answer(*answer) if isinstance(answer, tuple) else self.answer(201, {"sid": service.sid(-1)})

            def do_GET(self) -> None:
                service.asked.append(("GET", self.path, self.headers["Authorization"]))
                if service.answers and service.answers[0] == "unlisted":
                    service.answers.pop(0)
                    return self.answer(500, {})
                to = dict(parse_qsl(urlsplit(self.path).query))["To"]
                listed = [
                    {"sid": service.sid(number), "to": each["To"], "body": each["Body"],
                     "date_created": formatdate(service.created or time.time())}
                    for number, each in enumerate(service.taken) if each["To"] == to
                ]  # fmt: skip
                return self.answer(200, {"messages": service.listed or listed})

            def answer(self, status: int, body: Any) -> None:
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def sid(self, number: int) -> str:
        return f"SM{number % max(1, len(self.taken))}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
