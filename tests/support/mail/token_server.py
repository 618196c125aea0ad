"""A token server of a test's own (RFC 6749), which mail servers ask what a token is worth (RFC 7662)."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

__all__ = ["CLIENT", "REFRESH", "SECRET", "TokenServer", "token_server"]

CLIENT, SECRET, REFRESH = "deskstream", "cl13nt-s3cret", "r3fresh-0"


@dataclass
class TokenServer:
    """Issues tokens for `user`.

    answer   says this instead, once: (status, JSON)
    requests the forms of the token requests
    live     the tokens that are worth something
    rotates  each refresh token is good once, and comes with the next one
    """

    user: str
    port: int = 0
    life: Any = 3600
    answer: tuple[int, Any] | None = None
    rotates: bool = False
    refresh: str = REFRESH
    requests: list[dict[str, str]] = field(default_factory=list)
    live: set[str] = field(default_factory=set)

    @property
    def token_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/token"

    @property
    def introspection_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/introspect"

    def issue(self, form: dict[str, str]) -> tuple[int, Any]:
        self.requests.append(form)
        if self.answer is not None:
            answer, self.answer = self.answer, None
            return answer
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET):
            return 401, {
                "error": "invalid_client",
                "error_description": f"AADSTS7000215: not {form.get('client_secret')}",
            }
        if form["grant_type"] == "refresh_token" and form.get("refresh_token") != self.refresh:
            return 400, {"error": "invalid_grant", "error_description": f"{form.get('refresh_token')} was revoked"}
        token = f"token-{len(self.requests)}"
        self.live.add(token)
        said: dict[str, Any] = {"access_token": token, "token_type": "Bearer", "expires_in": self.life}
        if self.rotates:
            self.refresh = said["refresh_token"] = f"r3fresh-{len(self.requests)}"
        return 200, said

    def introspect(self, form: dict[str, str]) -> tuple[int, Any]:
        return 200, {"active": form.get("token") in self.live, "username": self.user, "email": self.user}


@contextmanager
def token_server(user: str = "support@shop.example", certificate: Path | None = None) -> Iterator[TokenServer]:
    state = TokenServer(user)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            status, said = (state.issue if self.path == "/token" else state.introspect)(form)
            content = said.encode() if isinstance(said, str) else json.dumps(said).encode()
            self.send_response(status)
            if status in (301, 302, 307, 308):
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_port
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
