"""The contact form as a web page: works without JavaScript, with a screen reader and at any width."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from html import escape

from producers.channels.form import HONEYPOT

__all__ = ["HEADERS", "form_page", "thanks_page"]

#: The page loads nothing from elsewhere and runs one script of its own.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { max-width: 36rem; margin: 2rem auto; padding: 0 1rem }
label { display: block; margin-top: 1rem; font-weight: 600 }
input, textarea { width: 100%; box-sizing: border-box; padding: .5rem; font: inherit }
button { margin-top: 1.25rem; padding: .6rem 1.5rem; font: inherit }
:focus-visible { outline: 3px solid #1a73e8; outline-offset: 2px }
.wrong { color: #b3261e; font-weight: 600 } @media (prefers-color-scheme: dark) { .wrong { color: #f2b8b5 } }
.no { position: absolute; left: -9999px }
small { font-weight: 400 }
"""
_SCRIPT = """
document.getElementById("time_zone").value = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
document.getElementById("language").value = navigator.language || "";
"""
_VISIBLE = (
    ("name", "Your name", "text", "name", False),
    ("email", "Your e-mail address", "email", "email", True),
    ("subject", "Subject", "text", "off", False),
    ("order_number", "Order number", "text", "off", False),
)


def form_page(values: Mapping[str, str] | None = None, problems: Mapping[str, str] | None = None) -> str:
    """The form; after a refusal with what was typed and what is wrong beside each field."""
    values, problems = values or {}, problems or {}
    known = {name for name, *_ in _VISIBLE} | {"message"}
    summary = ""
    if problems:
        items = "".join(
            f"<li>{escape(name)} {escape(text)}</li>" if name not in known
            else f'<li><a href="#{name}">{escape(name.replace("_", " "))}</a> {escape(text)}</li>'
            for name, text in problems.items()
        )  # fmt: skip
        summary = f'<div role="alert" class="wrong"><p>Please look at this again:</p><ul>{items}</ul></div>'
    fields = "".join(_field(*spec, values.get(spec[0], ""), problems.get(spec[0], "")) for spec in _VISIBLE)
    message, wrong = escape(values.get("message", "")), problems.get("message", "")
    submission = escape(values.get("submission_id") or uuid.uuid4().hex)
    body = f"""<h1>How can we help?</h1>{summary}
<form method="post" action="/v1/form">
{fields}
<label for="message">Your message <small>(needed)</small></label>{_note("message", wrong)}
<textarea id="message" name="message" rows="8" required maxlength="20000"{_described("message", wrong)}>{message}</textarea>
<div class="no" aria-hidden="true"><label for="{HONEYPOT}">Leave this empty</label>
<input id="{HONEYPOT}" name="{HONEYPOT}" tabindex="-1" autocomplete="off"></div>
<input type="hidden" name="submission_id" value="{submission}">
<input type="hidden" id="time_zone" name="time_zone"><input type="hidden" id="language" name="language" value="en">
<button>Send</button>
</form><script>{_SCRIPT}</script>"""
    return _page("Contact us", body)


def thanks_page(hint: str) -> str:
    """What a person sees once Kafka has the message."""
    number = hint.removesuffix("-*")
    return _page(
        "Thank you",
        f"""<h1>Thank you, we have your message</h1>
<p>You will find an acknowledgement in your mailbox within a minute. Your ticket number starts with
<strong>{escape(number)}</strong>.</p><p><a href="/">Write another message</a></p>""",
    )


def _page(title: str, body: str) -> str:
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>
<body><main>{body}</main></body></html>"""


def _field(name: str, label: str, kind: str, complete: str, needed: bool, value: str, wrong: str) -> str:
    small = " <small>(needed)</small>" if needed else ""
    return (
        f'<label for="{name}">{label}{small}</label>{_note(name, wrong)}'
        f'<input id="{name}" name="{name}" type="{kind}" autocomplete="{complete}" value="{escape(value)}"'
        f"{' required' if needed else ''}{_described(name, wrong)}>"
    )


def _note(name: str, wrong: str) -> str:
    return f'<span id="{name}-wrong" class="wrong">{escape(wrong)}</span>' if wrong else ""


def _described(name: str, wrong: str) -> str:
    return f' aria-invalid="true" aria-describedby="{name}-wrong"' if wrong else ""
