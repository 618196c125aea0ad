"""The HTTP application with a file of keys, and a log in the place of Kafka: for what is decided before Kafka."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast

import httpx
import yaml
from pydantic import SecretStr

from producers.customers.brands import BrandChooser
from producers.publisher import Outcome, Publisher, Receipt
from producers.sources.http.server import create_app
from schemas import signature
from schemas.dead_letter.headers import InputContext
from schemas.errors import Refused
from schemas.events import Event
from schemas.settings import ProducerSettings
from schemas.signature import RequestHead, sign_request

TICKET = "ABCDEFGHIJKL-1"
OLD_SECRET = "secret-of-the-release-before"
KEYS: list[dict[str, Any]] = [
    {"id": "all", "secrets": ["all-0123456789abcdef"], "scopes": ["*"]},
    {"id": "shop", "secrets": ["shop-0123456789abcdef"], "scopes": ["events:write"]},
    {"id": "desk", "secrets": ["desk-new-0123456789", "desk-old-0123456789"], "scopes": ["agents:*"]},
    {"id": "mei", "secrets": ["mei-0123456789abcdef"], "scopes": ["agents:*", "customers:merge"], "agents": ["mei"]},
    {"id": "notes", "secrets": ["notes-0123456789abcdef"], "scopes": ["agents:note"]},
    {"id": "ended", "secrets": ["ended-0123456789abcdef"], "scopes": ["*"], "expires": "2026-01-01"},
    {"id": "gone", "revoked": "2026-01-01", "scopes": ["*"]},
]
SECRET_OF: dict[str, str] = {key["id"]: key["secrets"][0] for key in KEYS if "secrets" in key}


class Log:
    """What Kafka would have: events by id, in order, and what became dead letters, each with its context."""

    connected = True

    def __init__(self) -> None:
        self.events: dict[str, Event] = {}
        self.dead_letters: list[tuple[bytes, Refused, InputContext]] = []
        self.brands = BrandChooser(None, "support.example")

    async def publish_async(self, event: Event, **_: Any) -> Receipt:
        duplicate = event.event_id in self.events
        self.events.setdefault(event.event_id, event)
        return Receipt(Outcome.DUPLICATE if duplicate else Outcome.PUBLISHED, event.event_id)

    async def dead_letter_async(self, raw: bytes, refused: Refused, *, given: InputContext, **_: Any) -> Receipt:
        self.dead_letters.append((raw, refused, given))
        return Receipt(Outcome.DEAD_LETTERED, reason=refused.reason)


class Site:
    """One server with `KEYS`; requests are given to its application directly."""

    def __init__(self, folder: Path, keys: Sequence[dict[str, Any]] = KEYS, **settings: Any) -> None:
        self.file, self.log = folder / "keys.yaml", Log()
        self.write(keys)
        self.settings = ProducerSettings(
            keys_file=self.file,
            webhook_secrets=SecretStr(OLD_SECRET),
            agent_secrets=SecretStr(OLD_SECRET),
            kiosk_secrets=SecretStr(OLD_SECRET),
            **settings,
        )
        self.app = create_app(self.settings, cast(Publisher, self.log))

    def write(self, keys: Sequence[dict[str, Any]], **more: Any) -> None:
        """Replaces the file by one that nobody has written to for a while."""
        written = self.file.with_suffix(".new")
        written.write_text(yaml.safe_dump({"keys": list(keys), **more}))
        written.replace(self.file)

    def request(
        self,
        method: str,
        target: str,
        body: bytes | AsyncIterator[bytes] = b"",
        headers: Sequence[tuple[str, str]] = (),
    ) -> httpx.Response:
        """Sends a request as it stands; `target` goes out byte for byte."""

        async def main() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://site") as client:
                request = client.build_request(method, "/", content=body, headers=list(headers))
                request.url = request.url.copy_with(raw_path=target.encode())
                return await client.send(request)

        return asyncio.run(main())

    def post(
        self,
        target: str,
        body: object,
        key: str = "all",
        *,
        secret: str = "",
        signed: RequestHead | None = None,
        at: float | None = None,
        idempotency_key: str = "",
        more: Sequence[tuple[str, str]] = (),
    ) -> httpx.Response:
        """Posts JSON, signed with a key; `signed` is what the signature is made for, when that is something else."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = signed or RequestHead("POST", target, idempotency_key)
        header = sign_request(key, secret or SECRET_OF[key], head, raw, int(at or time.time()))
        own = [("Content-Type", "application/json"), (signature.HEADER, header)]
        own += [(signature.KEY_HEADER, idempotency_key)] if idempotency_key else []
        return self.request("POST", target, raw, [*own, *more])


def at_once(monkeypatch: Any) -> None:
    """A changed file of keys is read with the next request."""
    monkeypatch.setattr("producers.sources.http.admission.CHECK_SECONDS", 0.0)
    monkeypatch.setattr("producers.sources.http.admission.SETTLE_SECONDS", 0.0)


def reason(answer: httpx.Response) -> tuple[int, str]:
    """Status and reason of a refusal."""
    return answer.status_code, answer.json().get("reason", "")
