"""What every HTML answer forbids the browser: scripts in the page, styles but its own, frames, guessed types, referrers."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from producers.publisher import Publisher
from producers.sources.chat import pages as chat_pages
from producers.sources.chat import server as chat_server
from producers.sources.http import pages
from producers.sources.http.server import create_app
from schemas.settings import ProducerSettings
from tests.conftest import ROOT
from tests.producers.test_pages import PAGES
from tests.support.each import each

HTML = {"accept": "text/html"}
SECRET = "0123456789abcdef0123456789abcdef"


def asked(method: str, path: str) -> httpx.Response:
    settings = ProducerSettings(survey_secrets=SecretStr(SECRET))

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(settings, Publisher(settings)))
        async with httpx.AsyncClient(transport=transport, base_url="http://support.example") as client:
            return await client.request(method, path, headers=HTML, data={"a": "b"} if method == "POST" else None)

    return asyncio.run(ask())


def require_strict(headers: httpx.Headers, page: str) -> None:
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == policy["script-src"] == "'self'"
    styles = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}'" for each in styles]
    assert hashes == [policy["style-src"]]
    assert "unsafe" not in headers["content-security-policy"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/?lang=ja", 200),
        ("GET", "/docs", 200),
        ("GET", "/s/abc", 404),
        ("POST", "/s/abc", 404),
        ("POST", "/s/abc/more", 404),
        ("POST", "/v1/form", 422),
    ],
)
def test_every_page_of_the_http_server_is_strict(method: str, path: str, status: int) -> None:
    answer = asked(method, path)
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.status_code in (status, 400)
    require_strict(answer.headers, answer.text)


def test_the_page_of_the_chat_server_is_strict_and_may_connect_to_it() -> None:
    found = chat_pages.page("/")
    assert found is not None
    headers = httpx.Headers(list(chat_server._response(HTTPStatus.OK, *found).headers.raw_items()))
    require_strict(headers, found[1].decode())
    assert "connect-src 'self'" in headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/widget.js", "/asyncapi.json"])
def test_what_is_no_page_of_the_chat_server_runs_nothing(path: str) -> None:
    found = chat_pages.page(path)
    assert found is not None
    headers = dict(chat_server._response(HTTPStatus.OK, *found).headers.raw_items())
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"


@each("name", PAGES)
def test_no_page_holds_a_script_or_a_style_that_is_not_allowed(name: str) -> None:
    page = PAGES[name]
    assert all(not body for body in re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL))
    assert re.findall(r"<[^>]*\s(?:style|on\w+)=", page) == []
    assert len(re.findall(r"<style\b", page)) == 1


def test_what_is_filled_in_gets_no_style_allowed() -> None:
    """The hash is that of the first style, before which nothing is filled in."""
    evil = "</title><style>*{display:none}</style>"
    for clean, filled in (
        (pages.form_page(), pages.form_page({"message": evil}, {evil: evil})),
        (pages.form_thanks_page(""), pages.form_thanks_page(evil)),
    ):
        assert pages.headers_of(filled) == pages.headers_of(clean)


def test_every_page_is_answered_with_these_headers() -> None:
    """Nobody makes an HTML response but `Page`."""
    made = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "producers").rglob("*.py"))
        if re.search(r"(?<!class Page\()\bHTMLResponse\(", path.read_text("utf-8"))
    ]
    assert made == []


def test_the_script_of_the_form_is_a_file_of_ours() -> None:
    answer = asked("GET", "/form.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.text == Path(pages.__file__).with_name("templates").joinpath("form.js").read_text("utf-8")
