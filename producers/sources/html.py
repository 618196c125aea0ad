"""What every page of ours shares: it works without a script, with a keyboard, with a screen reader and at any width."""

from __future__ import annotations

from html import escape

__all__ = ["HEADERS", "SCRIPTED_HEADERS", "described", "document", "note"]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
#: A page loads nothing from elsewhere, runs nothing, is kept nowhere, and its address (which may be a secret) is told
#: to nobody.
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "no-store",
}
#: The same for the page that runs one script of its own.
SCRIPTED_HEADERS = HEADERS | {"Content-Security-Policy": f"{_POLICY}; script-src 'unsafe-inline'"}
_STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { max-width: 36rem; margin: 2rem auto; padding: 0 1rem }
label, legend { font-weight: 600 }
label { display: block; margin-top: 1rem }
input, textarea { width: 100%; box-sizing: border-box; padding: .5rem; font: inherit }
fieldset { margin: 1.25rem 0 0; padding: .25rem 1rem .75rem; border: 1px solid #767676; border-radius: .25rem }
fieldset label { font-weight: 400; margin-top: .25rem; padding: .25rem 0 }
fieldset.row { display: flow-root } .row label { float: left; margin-right: 1rem } .row p { clear: both }
input[type=radio] { width: 1.25rem; height: 1.25rem; vertical-align: middle; margin: 0 .4rem 0 0 }
button { margin-top: 1.25rem; padding: .6rem 1.5rem; font: inherit }
:focus-visible { outline: 3px solid #1a73e8; outline-offset: 2px }
.wrong { color: #b3261e; font-weight: 600 } @media (prefers-color-scheme: dark) { .wrong { color: #f2b8b5 } }
.no { position: absolute; left: -9999px }
small, .en { font-weight: 400 } .en { font-size: .875em; opacity: .85 }
"""


def document(title: str, body: str, *, locale: str = "en", style: str = "") -> str:
    """A whole page; `body` is HTML, `title` is text."""
    return f"""<!DOCTYPE html><html lang="{locale}"><head><meta charset="utf-8"><title>{escape(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}{style}</style></head>
<body><main>{body}</main></body></html>"""


def note(name: str, wrong: str) -> str:
    """What is wrong with a field, beside it."""
    return f'<span id="{name}-wrong" class="wrong">{escape(wrong)}</span>' if wrong else ""


def described(name: str, wrong: str) -> str:
    """The attributes of a field that is wrong: a screen reader reads its note."""
    return f' aria-invalid="true" aria-describedby="{name}-wrong"' if wrong else ""
