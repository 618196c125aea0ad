"""Requests to every HTTP endpoint, through the real application: forms, signed events, webhooks, surveys, pages.

An input is a request as text: a line `POST /path?query`, headers, a blank line, the body. Nine of ten are signed as their
sender signs them, after they were broken: what a stranger cannot sign never reaches the parsers.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote, urlencode

from fastapi import FastAPI

from producers.channels import form
from producers.endpoint import endpoints
from producers.sources.http import openapi, reply_files
from producers.sources.http.server import create_app
from schemas import signature, survey_link
from schemas.errors import Refused
from schemas.settings import ProducerSettings
from schemas.survey_link import SurveyLink
from tests.conftest import ROOT
from tests.fuzz import mutators, structured
from tests.fuzz.memory_kafka import publisher_in_memory
from tests.fuzz.target import Mutator, Target
from tests.support.producers.endpoint_case import PUBLIC_URL, SECRET, cases
from tests.support.producers.signing import KEYS_FILE, header

ENDPOINTS = {endpoint.path: endpoint for endpoint in endpoints()}
SENDERS = cases()
_FORM = "application/x-www-form-urlencoded"
_EVENTS = openapi.EVENTS["requestBody"]["content"]["application/json"]["examples"]
#: A sender signs what it sends; of ten requests one is left as it is.
_UNSIGNED = 10
_LOOP = asyncio.new_event_loop()

_HEADERS = mutators.inserting(
    b"\ncontent-type: multipart/form-data; boundary=x", b"\ncontent-type: application/json; charset=utf-16", b"\naccept: text/html", b"\ncontent-length: 99999999999999999999",
    b"\nidempotency-key: \xff", b"\naccept-language: " + b"zh;q=0.1," * 900, b"\nx-forwarded-for: 1.2.3.4, ::1", b"\ncookie: a=b", b"\nhost: evil", b"\ncontent-encoding: gzip", b"?lang=ja&lang=x", b"%00", b"/../",
)  # fmt: skip
_WHOLE: tuple[Mutator, ...] = (_HEADERS, mutators.flip_bits, mutators.splice)
_JSON: tuple[Mutator, ...] = (
    *_WHOLE,
    *[structured.body_of(*structured.JSON)] * 6,
    *[structured.body_of(structured.json_value)] * 12,
)
_FORMS: tuple[Mutator, ...] = (*_WHOLE, *[structured.body_of(*structured.FORM)] * 12)


def request(line: str, body: bytes, **headers: str) -> bytes:
    """Returns a request as an input."""
    named = "".join(f"\n{name.replace('_', '-')}: {value}" for name, value in headers.items())
    return f"{line}{named}".encode("utf-8", "surrogateescape") + b"\n\n" + body


def _settings() -> ProducerSettings:
    secrets = {endpoint.secrets: SECRET for endpoint in ENDPOINTS.values() if not endpoint.scope}
    return ProducerSettings(
        clock="",
        keys_file=KEYS_FILE,
        survey_secrets=SECRET,
        social_verify_tokens=SECRET,
        public_url=PUBLIC_URL,
        help_centre=ROOT / "deploy" / "local" / "help",
        chat_page_url="https://shop.example/contact",
        help_events_per_minute=1e9,
        endpoint_requests_per_second=1e9,
        endpoint_burst_requests=1e9,
        form_submissions_per_minute=1e9,
        **secrets,  # type: ignore[arg-type]
    )


class Client:
    """Sends inputs to an application without a socket."""

    def __init__(self) -> None:
        settings = _settings()
        publisher, self.kafka = publisher_in_memory(settings)
        self.app: FastAPI = create_app(settings, publisher)

    def take(self, raw: bytes) -> str:
        """Returns the status, and the reason of a refusal."""
        status, answer = self._sent(raw)
        self.kafka.clear()
        assert status != 500, answer
        return f"{status} {_reason(answer)}".strip()

    def text(self, raw: bytes) -> str:
        """Returns the answer."""
        return self._sent(raw)[1].decode()

    def _sent(self, raw: bytes) -> tuple[int, bytes]:
        head, _, body = raw.partition(b"\n\n")
        line, *lines = head.decode("latin-1").split("\n")
        method, _, target = line.partition(" ")
        headers = dict(each.split(": ", 1) for each in lines if ": " in each)
        path, _, query = target.partition("?")
        if len(raw) % _UNSIGNED:
            told, query = _signed(path, query, body, headers.get("idempotency-key", "").strip())
            headers |= told
        return _LOOP.run_until_complete(self._answer(method, path, query, headers, body))

    async def _answer(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "https", "root_path": "",
            "method": method.upper()[:10] or "GET", "path": path, "raw_path": path.encode("utf-8", "replace"), "query_string": query.encode("utf-8", "replace"),
            "headers": [(name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in headers.items()],
            "client": ("192.0.2.7", 1), "server": ("hooks.example", 443),
        }  # fmt: skip
        parts = [body[:1000], body[1000:]]
        status, answer = 0, b""

        async def receive() -> Mapping[str, object]:
            part = parts.pop(0) if parts else b""
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message: Mapping[str, object]) -> None:
            nonlocal status, answer
            if message["type"] == "http.response.start":
                status = int(str(message["status"]))
            else:
                answer += bytes(message.get("body", b""))  # type: ignore[call-overload]

        await self.app(scope, receive, send)  # type: ignore[arg-type]
        return status, answer


def _signed(path: str, query: str, body: bytes, key: str) -> tuple[Mapping[str, str], str]:
    """Returns the headers and the query with which the sender of this path sends the body."""
    endpoint = ENDPOINTS.get(path)
    if path in ("/v1/events", reply_files.PATH) or (endpoint is not None and endpoint.scope):
        target = f"{path}?{query}" if query else path
        try:
            return {signature.HEADER.lower(): header(target, body, SECRET, time.time(), idempotency_key=key)}, query
        except ValueError:  # nor is there one of such a head
            return {}, query
    if endpoint is not None:
        try:
            sent = SENDERS[endpoint.name].sign(body, SECRET, time.time())
        except Refused:  # there is no signature of such a body
            return {}, query
        return {
            name.lower(): value for name, value in sent.headers.items() if name.lower() != "content-type"
        }, sent.query
    return {}, query


def _reason(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["reason"])
    except (ValueError, KeyError, TypeError):
        return ""


def opened() -> Callable[[bytes], str]:
    """Returns what sends an input."""
    return opened_client().take


def opened_client() -> Client:
    asyncio.set_event_loop(_LOOP)
    return Client()


def _of_endpoint(name: str) -> Callable[[], Sequence[bytes]]:
    endpoint = next(each for each in ENDPOINTS.values() if each.name == name)

    def seeds() -> Sequence[bytes]:
        kind = endpoint.example.headers.get("content-type", endpoint.media_types[0])
        bodies = [endpoint.example.body, SENDERS[name].malformed, *map(SENDERS[name].body, range(5))]
        return [request(f"POST {endpoint.path}", body, content_type=kind) for body in bodies]

    return seeds


def _events() -> Sequence[bytes]:
    return [
        request("POST /v1/events", json.dumps(each["value"]).encode(), content_type="application/json")
        for each in _EVENTS.values()
    ]


def _uploads() -> Sequence[bytes]:
    return [
        request(
            f"POST /v1/agents/attachments?{about}&name={name}", b"%PDF-1.7\n1 0 obj", content_type="application/pdf"
        )
        for about in ("ticket_id=ABCDEFGHIJKL-1", "customer_id=chat:visitor-5")
        for name in ("label.pdf", "%E7%AE%B1.png", "..%2Fx%00.exe")
    ]


def _forms() -> Sequence[bytes]:
    typed = {
        "email": "ann@example.org", "name": "Ann 山田", "message": "Where is my parcel? 荷物", "order_number": "A-17", "language": "ja", "time_zone": "Asia/Tokyo",
        "submission_id": "s-1", "subject": "Parcel", form.HONEYPOT: "",
    }  # fmt: skip
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in typed.items()
    )
    return [
        request("POST /v1/form", urlencode(typed).encode(), content_type=_FORM),
        request("POST /v1/form?lang=ja", urlencode(typed, encoding="shift_jis", errors="replace").encode(), content_type=f"{_FORM}; charset=shift_jis", accept="text/html"),
        request("POST /v1/form", json.dumps(typed).encode(), content_type="application/json"),
        request("POST /v1/form", parts.encode() + b"--b--\r\n", content_type="multipart/form-data; boundary=b", accept="text/html"),
    ]  # fmt: skip


def _link() -> str:
    expires = time.time_ns() // 1000 + 86_400_000_000
    return survey_link.token(SurveyLink("ABCDEFGHIJKL-1", 1, "mei", expires, "ja"), [SECRET])


def _surveys() -> Sequence[bytes]:
    token = _link()
    shown = opened_client().text(request(f"GET /s/{token}", b""))
    page = re.search(r'name="page" value="([^"]+)"', shown)
    assert page
    vote = urlencode({"csat": "2", "ces": "6", "comment": "ありがとう", "page": page[1]}).encode()
    thanks = re.search(
        r'name="vote" value="([^"]+)"', opened_client().text(request(f"POST /s/{token}", vote, content_type=_FORM))
    )
    assert thanks
    return [
        request(f"GET /s/{token}", b"", accept_language="ja"),
        request(f"POST /s/{token}", vote, content_type=_FORM),
        request(
            f"POST /s/{token}/more", urlencode({"went_wrong": "late", "vote": thanks[1]}).encode(), content_type=_FORM
        ),
        request(f"HEAD /s/{quote(token[:-4])}", b""),
    ]


def _pages() -> Sequence[bytes]:
    checks = urlencode({"hub.mode": "subscribe", "hub.challenge": "12", "hub.verify_token": SECRET, "crc_token": "x"})
    return [
        *(
            request(f"GET {path}", b"", accept="text/html")
            for path in ("/", "/?lang=zh-Hant", "/docs", "/openapi.json", "/nothing", "/v1/reply-times?brand=zen")
        ),
        *(
            request(f"GET {path}", b"", accept="text/html", user_agent="Mozilla/5.0")
            for path in (
                "/help",
                "/help/en?q=retrun+a+kettle&brand=zen",
                "/help/zh-Hant?q=%E9%81%8B%E8%B2%BB",
                "/help/ja/stores?q=%EF%BE%8E",
                "/help/en/chat?q=a&help_article=stores",
                "/?help_query=refund&help_article=stores",
            )
        ),
        request("POST /help/en/stores?q=shop", b"helped=yes", content_type=_FORM, user_agent="Mozilla/5.0"),
        *(request(f"GET {endpoint.path}?{checks}", b"") for endpoint in ENDPOINTS.values() if endpoint.challenge),
    ]


_TOKENS: tuple[Mutator, ...] = (*_FORMS, *mutators.TEXT)

TARGETS = [
    Target("http_events", _events, _JSON, opened, 1.0),
    Target("http_uploads", _uploads, _TOKENS, opened, 0.3),
    Target("http_form", _forms, (*_FORMS, *[structured.body_of(structured.json_value)] * 4, mutators.inserting(b"\r\n--b\r\n", b"--b--", b'name="', b"filename=")), opened, 0.7),
    Target("http_surveys", _surveys, _TOKENS, opened, 0.5),
    Target("http_pages", _pages, mutators.TEXT, opened, 0.4),
    *(
        Target(f"http_{endpoint.name}", _of_endpoint(endpoint.name), _FORMS if _FORM in endpoint.media_types else _JSON, opened, 0.6)
        for endpoint in sorted(ENDPOINTS.values(), key=lambda each: each.name)
    ),
]  # fmt: skip
