"""Serves the pages of the chat server: the widget, a page that shows it, and the protocol's description."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from producers.channels import chat_protocol
from producers.sources.http.pages import render

__all__ = ["ASYNCAPI", "document", "page"]

_HERE = Path(__file__).parent
#: The protocol's description as it is committed; a test keeps it in step with the code.
ASYNCAPI = _HERE / "asyncapi.json"
_JAVASCRIPT, _HTML, _JSON = "text/javascript", "text/html", "application/json"


def page(path: str) -> tuple[str, bytes] | None:
    """Returns `(media type, body)` of a page, None when there is none."""
    if path == "/":
        return _HTML, render("chat.html").encode()
    if path == "/widget.js":
        return _JAVASCRIPT, _widget()
    if path == "/asyncapi.json":
        return _JSON, document()
    return None


def document() -> bytes:
    """Returns the AsyncAPI document, as it is served and committed."""
    return (json.dumps(chat_protocol.asyncapi(), indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


@cache
def _widget() -> bytes:
    return (_HERE / "widget.js").read_bytes()
