"""The pages of the chat server: the widget, a page that shows it, and the protocol's description."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from producers.channels import chat_protocol

__all__ = ["ASYNCAPI", "document", "page"]

_HERE = Path(__file__).parent
#: The protocol's description as it is committed; a test keeps it in step with the code.
ASYNCAPI = _HERE / "chat_asyncapi.json"
_JAVASCRIPT, _HTML, _JSON = "text/javascript", "text/html", "application/json"
_DEMO = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Deskstream chat</title>
<style>body { font: 1rem/1.6 system-ui, sans-serif; margin: 3rem auto; max-width: 40rem; padding: 0 1rem }</style>
<main>
<h1>A page with chat</h1>
<p>The button in the corner opens it. Any page of yours has it with one line:</p>
<pre><code>&lt;script src="https://chat.example/widget.js" async&gt;&lt;/script&gt;</code></pre>
<p>In another language: <a href="?lang=en" lang="en">English</a> · <a href="?lang=zh-Hans" lang="zh-Hans">简体中文</a>
 · <a href="?lang=zh-Hant" lang="zh-Hant">繁體中文</a> · <a href="?lang=ja" lang="ja">日本語</a></p>
</main>
<script src="/widget.js" async></script>
</html>
""".encode()


def page(path: str) -> tuple[str, bytes] | None:
    """`(media type, body)` of a page, None when there is none."""
    if path == "/":
        return _HTML, _DEMO
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
    return (_HERE / "chat_widget.js").read_bytes()
