"""The contact form as a web page, in four languages: works without JavaScript, with a screen reader and at any width."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from html import escape

from producers.channels.form import FIELDS, HONEYPOT
from producers.sources.http.form_texts import FIELD_NAMES, LANGUAGES, say
from producers.sources.http.html import SCRIPTED_HEADERS as HEADERS
from producers.sources.http.html import described, document, note

__all__ = ["HEADERS", "form_page", "thanks_page"]

#: Field → kind of input, what a browser may fill in.
_VISIBLE = {
    "name": ("text", "name"),
    "email": ("email", "email"),
    "subject": ("text", "off"),
    "order_number": ("text", "off"),
}
_SCRIPT = """
document.getElementById("time_zone").value = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
if (!location.search.includes("lang=")) document.getElementById("language").value = navigator.language || "";
"""


def form_page(
    values: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
    words: Mapping[str, str] | None = None,
    *,
    locale: str = "en",
    unavailable: bool = False,
) -> str:
    """The form; after a refusal with what was typed and what is wrong beside each field.

    problems  field → what is wrong, in English; `words` field → its kind, which is said in the page's language
    """
    values = values or {}
    wrongs = {name: _wrong(locale, (words or {}).get(name, ""), text) for name, text in (problems or {}).items()}
    fields = "".join(_field(locale, name, values, wrongs) for name in _VISIBLE)
    submission = escape(values.get("submission_id") or uuid.uuid4().hex)
    body = f"""<h1>{say(locale, "heading")}</h1>{_alert(locale, wrongs, unavailable)}
<form method="post" action="/v1/form?lang={locale}">
{fields}
{_label(locale, "message")}{note("message", wrongs.get("message", ""))}
<textarea id="message" name="message" rows="8" dir="auto" required maxlength="20000"{described("message", wrongs.get("message", ""))}>
{escape(values.get("message", ""))}</textarea>
<div class="no" aria-hidden="true"><label for="{HONEYPOT}">{say(locale, "leave_empty")}</label>
<input id="{HONEYPOT}" name="{HONEYPOT}" tabindex="-1" autocomplete="off"></div>
<input type="hidden" name="submission_id" value="{submission}">
<input type="hidden" id="time_zone" name="time_zone">
<input type="hidden" id="language" name="language" value="{locale}">
<button>{say(locale, "send")}</button>
</form>{_languages(locale)}<script>{_SCRIPT}</script>"""
    return document(say(locale, "title"), body, locale=locale)


def thanks_page(hint: str, *, locale: str = "en") -> str:
    """What a person sees once Kafka has the message."""
    number = hint.removesuffix("-*")
    told = f"{say(locale, 'number')} <strong>{escape(number)}</strong>." if number else ""
    body = f"""<h1>{say(locale, "have_it")}</h1>
<p>{say(locale, "mailed")} {told}</p><p><a href="/?lang={locale}">{say(locale, "another")}</a></p>"""
    return document(say(locale, "thanks"), body, locale=locale)


def _languages(locale: str) -> str:
    """The page in the other languages: not every browser says what its person reads."""
    links = (
        f'<a href="/?lang={each}" lang="{each}" hreflang="{each}">{name}</a>'
        for each, name in LANGUAGES.items()
        if each != locale
    )
    return f'<nav aria-label="{say(locale, "languages")}">{" · ".join(links)}</nav>'


def _wrong(locale: str, word: str, english: str) -> str:
    """What is wrong with a field; what only programs can do wrong is said in English."""
    return english if locale == "en" or word in ("", "unknown") else say(locale, word)


def _alert(locale: str, wrongs: Mapping[str, str], unavailable: bool) -> str:
    if unavailable:
        return f'<div role="alert" class="wrong"><p>{say(locale, "unavailable")}</p></div>'
    if not wrongs:
        return ""
    items = "".join(f"<li>{_linked(locale, name)} {escape(text)}</li>" for name, text in wrongs.items())
    return f'<div role="alert" class="wrong"><p>{say(locale, "look_again")}</p><ul>{items}</ul></div>'


def _linked(locale: str, name: str) -> str:
    """The name of a field, which leads to it."""
    called = say(locale, name) if name in FIELD_NAMES else escape(name)
    return f'<a href="#{name}">{called}</a>' if name in _VISIBLE or name == "message" else called


def _field(locale: str, name: str, values: Mapping[str, str], wrongs: Mapping[str, str]) -> str:
    kind, complete = _VISIBLE[name]
    needed, longest, _ = FIELDS[name]
    wrong = wrongs.get(name, "")
    return (
        f"{_label(locale, name)}{note(name, wrong)}"
        f'<input id="{name}" name="{name}" type="{kind}" dir="auto" autocomplete="{complete}" maxlength="{longest}"'
        f' value="{escape(values.get(name, ""))}"{" required" if needed else ""}{described(name, wrong)}>'
    )


def _label(locale: str, name: str) -> str:
    small = f" <small>{say(locale, 'needed_mark')}</small>" if FIELDS[name][0] else ""
    return f'<label for="{name}">{say(locale, name)}{small}</label>'
