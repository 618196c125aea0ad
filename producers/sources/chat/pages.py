"""The pages of the chat server: the widget, a page that shows it, and the protocol's description."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from producers.channels import chat_protocol
from producers.sources.http import html

__all__ = ["ASYNCAPI", "document", "page"]

_HERE = Path(__file__).parent
#: The protocol's description as it is committed; a test keeps it in step with the code.
ASYNCAPI = _HERE / "asyncapi.json"
_JAVASCRIPT, _HTML, _JSON = "text/javascript", "text/html", "application/json"
_DEMO = """<h1>A page with chat</h1>
<p>The button in the corner opens it. Any page of yours has it with one line:</p>
<pre><code>&lt;script src="https://chat.example/widget.js" async&gt;&lt;/script&gt;</code></pre>
<p>In another language: <a href="?lang=en" lang="en">English</a> · <a href="?lang=zh-Hans" lang="zh-Hans">简体中文</a>
 · <a href="?lang=zh-Hant" lang="zh-Hant">繁體中文</a> · <a href="?lang=ja" lang="ja">日本語</a></p>
<p>For programs: <a href="asyncapi.json">the protocol</a></p>
<script src="widget.js" async></script>"""
_STYLE = "pre { padding: .75rem 1rem; background: var(--back); border-radius: .4rem; white-space: pre-wrap; overflow-wrap: anywhere }"


def page(path: str) -> tuple[str, bytes] | None:
    """`(media type, body)` of a page, None when there is none."""
    if path == "/":
        return _HTML, html.document("Deskstream chat", _DEMO, style=_STYLE).encode()
    if path == "/widget.js":
        return _JAVASCRIPT, _widget()
    if path == "/asyncapi.json":
        return _JSON, document()
    return None


def document() -> bytes:
    """The AsyncAPI document, as it is served and committed."""
    return (json.dumps(chat_protocol.asyncapi(), indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


@cache
def _widget() -> bytes:
    return (_HERE / "widget.js").read_bytes()
