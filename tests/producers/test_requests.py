"""Reading a body that does not come as it should, without any server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from starlette.requests import Request

from producers.sources.http import requests
from schemas.errors import Refused


def request(parts: Iterable[bytes], *, trickles: bool = False, **headers: str) -> Request:
    """A request whose body comes in these parts; `trickles`: and then never ends."""
    told = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    waiting = list(parts)

    async def receive() -> dict[str, Any]:
        if not waiting and trickles:
            await asyncio.sleep(3600)
        body = waiting.pop(0) if waiting else b""
        return {"type": "http.request", "body": body, "more_body": bool(waiting) or trickles}

    return Request({"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": told}, receive)


def test_a_body_is_read_to_its_end() -> None:
    assert asyncio.run(requests.read_body(request([b"ab", b"c"]), 3)) == b"abc"


@pytest.mark.parametrize(
    ("sent", "reason", "status"),
    [
        (request([b"ab", b"cd"]), "too_large", 413),
        (request([], content_length="4"), "too_large", 413),
        (request([b"a"], trickles=True), "too_slow", 408),
        (request([b"a"], trickles=True, content_length="3"), "too_slow", 408),
    ],
)
def test_a_body_without_end_is_refused_and_its_connection_closed(
    sent: Request, reason: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "BODY_SECONDS", 0.05)
    with pytest.raises(Refused) as caught:
        asyncio.run(requests.read_body(sent, 3))
    assert caught.value.reason == reason
    for typed in (None, {"name": "Ann"}):
        answer = requests.refusal("form", caught.value, typed)
        assert (answer.status_code, answer.headers["connection"]) == (status, "close")


def test_other_refusals_leave_the_connection_open() -> None:
    assert "connection" not in requests.refusal("form", Refused("bad_json", "x")).headers
