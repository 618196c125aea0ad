"""What every page of ours shares: it works without a script, with a keyboard, with a screen reader and at any width."""

from __future__ import annotations

from html import escape

__all__ = ["HEADERS", "SCRIPTED_HEADERS", "STYLE", "described", "document", "note"]

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
#: One palette, light and dark: text and borders keep the contrast that WCAG 2.2 AA asks for (4.5 and 3 to 1).
STYLE = """
:root { color-scheme: light dark; --back: #f3f5f8; --page: #fff; --ink: #1b1f24; --soft: #57606a; --line: #7d8590;
--faint: #d0d7de; --blue: #0b5cad; --on-blue: #fff; --tint: #e8f1fb; --red: #b3261e; --pink: #fcedec;
font: 1rem/1.55 system-ui, "Hiragino Sans", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif }
@media (prefers-color-scheme: dark) { :root { --back: #0e1116; --page: #181c22; --ink: #e8ebee; --soft: #a5aeb8;
--line: #767f8a; --faint: #343b44; --blue: #7ab7f5; --on-blue: #08213c; --tint: #1c2c3f; --red: #f5aba5; --pink: #3a2020 } }
:lang(zh-Hant) { font-family: system-ui, "PingFang TC", "Noto Sans CJK TC", "Microsoft JhengHei", sans-serif }
:lang(ja) { font-family: system-ui, "Hiragino Sans", "Noto Sans CJK JP", "Yu Gothic", sans-serif }
* { box-sizing: border-box }
body { margin: 0; padding: 2.5rem 1rem; background: var(--back); color: var(--ink) }
main { max-width: 38rem; margin: 0 auto; padding: 2rem 2.25rem 2.5rem; background: var(--page);
border: 1px solid var(--faint); border-top: 4px solid var(--blue); border-radius: .5rem }
@media (max-width: 40rem) { body { padding: 0; background: var(--page) } main { padding: 1.5rem 1.25rem 2rem; border-width: 4px 0 0;
border-radius: 0 } }
h1 { margin: 0 0 1rem; font-size: 1.6rem; line-height: 1.3 }
a { color: var(--blue) }
label, legend { font-weight: 600 }
label { display: block; margin-top: 1.1rem }
input, textarea { width: 100%; margin-top: .3rem; padding: .6rem .7rem; font: inherit; color: inherit;
background: var(--page); border: 1px solid var(--line); border-radius: .4rem }
textarea { resize: vertical }
[aria-invalid=true] { border: 2px solid var(--red) }
fieldset { margin: 1.75rem 0 0; padding: 0; border: 0 } legend { padding: 0; margin-bottom: .4rem }
fieldset label { display: flex; gap: .6rem; align-items: center; margin-top: .4rem; padding: .55rem .75rem; font-weight: 400;
border: 1px solid var(--line); border-radius: .4rem; cursor: pointer }
fieldset label:hover { background: var(--tint) }
fieldset label:has(:checked) { background: var(--tint); border-color: var(--blue); box-shadow: inset 0 0 0 1px var(--blue) }
.row { display: flex; flex-wrap: wrap; gap: .4rem } .row p { width: 100%; margin: 0 } .row .wrong { width: 100% }
.row label { flex: 1; flex-direction: column; gap: .2rem; min-width: 2.5rem; margin: 0; padding: .55rem .25rem }
input[type=radio] { flex: none; width: 1.2rem; height: 1.2rem; margin: 0; accent-color: var(--blue) }
button { margin-top: 1.75rem; padding: .7rem 1.75rem; min-height: 2.75rem; font: inherit; font-weight: 600; cursor: pointer;
color: var(--on-blue); background: var(--blue); border: 0; border-radius: .4rem }
button:hover { filter: brightness(1.1) }
:focus-visible { outline: 3px solid var(--blue); outline-offset: 2px }
.wrong { color: var(--red); font-weight: 600 } .wrong a { color: inherit } span.wrong { display: block }
div.wrong { padding: .75rem 1rem; background: var(--pink); border-left: 4px solid var(--red); border-radius: .25rem }
div.wrong > * { margin: 0 } div.wrong ul { padding-left: 1.25rem }
form + nav { margin-top: 2rem; padding-top: 1rem; border-top: 1px solid var(--faint); font-size: .875rem }
.no { position: absolute; left: -9999px }
small, .en { font-weight: 400; font-size: .875rem; color: var(--soft) } .en { font-family: system-ui, sans-serif }
h1 .en, p .en, legend .en, form > label .en { display: block }
button .en, .wrong .en { color: inherit }
"""


def document(title: str, body: str, *, locale: str = "en", style: str = "") -> str:
    """A whole page; `body` is HTML, `title` is text."""
    return f"""<!DOCTYPE html><html lang="{locale}"><head><meta charset="utf-8"><title>{escape(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}{style}</style></head>
<body><main>{body}</main></body></html>"""


def note(name: str, wrong: str) -> str:
    """What is wrong with a field, beside it."""
    return f'<span id="{name}-wrong" class="wrong">{escape(wrong)}</span>' if wrong else ""


def described(name: str, wrong: str) -> str:
    """The attributes of a field that is wrong: a screen reader reads its note."""
    return f' aria-invalid="true" aria-describedby="{name}-wrong"' if wrong else ""
