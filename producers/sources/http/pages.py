"""Renders the web pages of `templates/`, with the texts of `locales/` in the languages that we answer in.

A text stands in a template in English: `_("Send")` is its translation, `both("Send")` the translation with English
beneath. A catalog (`locales/ja.po`, GNU gettext) translates it; a text that a catalog lacks is shown in English.
Whatever is filled in is escaped, and a name that a template does not get is an error.
"""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from babel import Locale
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from producers.channels.form import FIELDS, HELP, HONEYPOT
from producers.channels.survey import HIGHEST_CES, LONGEST_COMMENT
from producers.sources.service_times import ServiceTime
from schemas.brands import Brand
from schemas.events import LOCALES

__all__ = [
    "FORM_SCRIPT",
    "Page",
    "explained_page",
    "form_page",
    "form_thanks_page",
    "headers_of",
    "question_page",
    "refused_page",
    "render",
    "unsubscribe_page",
    "unsubscribed_page",
    "vote_thanks_page",
]

_HERE = Path(__file__).parent
_NAMELESS, _UNKNOWN = Brand("", ""), ServiceTime()
#: What the contact form's page runs; its address is `/form.js`.
FORM_SCRIPT = (_HERE / "templates" / "form.js").read_text("utf-8")
#: A page is kept nowhere, and its address (which may be a secret) is told to nobody.
_HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "no-store",
}
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


class Page(HTMLResponse):
    """An HTML response with the headers of all our pages, its status and further headers."""

    def __init__(self, content: str, status_code: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(content, status_code, headers_of(content) | dict(headers or {}))


def headers_of(page: str, *, may_connect: bool = False) -> dict[str, str]:
    """Returns the headers of a page that `render` has made.

    It loads nothing from elsewhere, runs scripts of files of ours only, and none but its own style, which stands before
    anything that is filled in. `may_connect` lets its script connect to this server.
    """
    style = _STYLE.search(page)
    own = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode() if style else ""
    policy = (
        "default-src 'none'; script-src 'self'",
        f"style-src 'sha256-{own}'" if own else "style-src 'none'",
        *(("connect-src 'self'",) if may_connect else ()),
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    )
    return {"Content-Security-Policy": "; ".join(policy)} | _HEADERS


def render(template: str, locale: str = "en", *, brand: Brand | None = None, **values: Any) -> str:
    """Returns the page of a template, in one of our locales and with the name and colour of a brand."""
    return _environment(locale).get_template(template).render(values, brand=brand or _NAMELESS)


def form_page(
    values: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
    words: Mapping[str, str] | None = None,
    *,
    locale: str = "en",
    unavailable: bool = False,
    brand: Brand | None = None,
    read: str = "",
    has_help: bool = False,
    service: ServiceTime = _UNKNOWN,
) -> str:
    """Returns the contact form, after a refusal with what was typed and what is wrong beside each field.

    problems  field → what is wrong, in English
    words     field → the kind of the problem, which the page says in its own language
    read      the title of the help article that they come from
    service   how soon customers are usually answered, and our hours, in words
    """
    values = values or {}
    return render(
        "form.html",
        locale,
        brand=brand,
        values=values,
        problems=problems or {},
        words=words or {},
        unavailable=unavailable,
        fields={name: {"needed": needed, "longest": longest} for name, (needed, longest, _) in FIELDS.items()},
        honeypot=HONEYPOT,
        carried=HELP,
        read=read,
        has_help=has_help,
        service=service,
        submission_id=values.get("submission_id") or uuid.uuid4().hex,
    )


def form_thanks_page(hint: str, *, locale: str = "en", brand: Brand | None = None) -> str:
    """Returns the page that a person sees once Kafka has the message; `hint` is the beginning of the ticket's number."""
    return render("form_thanks.html", locale, brand=brand, number=hint.removesuffix("-*"))


def question_page(
    locale: str,
    ticket: str,
    token: str,
    values: Mapping[str, str],
    problems: Mapping[str, str] | None = None,
    *,
    unavailable: bool = False,
    brand: Brand | None = None,
) -> str:
    """Returns the survey's questions.

    values    what is chosen and typed already
    problems  field → one of the words of `channels.survey`
    """
    return render(
        "survey.html",
        locale,
        brand=brand,
        ticket=ticket,
        token=token,
        values=values,
        problems=problems or {},
        unavailable=unavailable,
        longest=LONGEST_COMMENT,
        highest_ces=HIGHEST_CES,
    )


def vote_thanks_page(
    locale: str,
    token: str = "",
    values: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
    *,
    action: str = "",
    again: str = "",
    unavailable: bool = False,
    brand: Brand | None = None,
) -> str:
    """Returns the page after a vote; with the `token` of a low one it asks what went wrong, and posts to `action`.

    `again` is the address of the survey, to change the vote.
    """
    return render(
        "survey_thanks.html",
        locale,
        brand=brand,
        token=token,
        values=values or {},
        problems=problems or {},
        action=action,
        again=again,
        unavailable=unavailable,
        longest=LONGEST_COMMENT,
    )


def explained_page(locale: str, brand: Brand | None = None) -> str:
    """Returns the page after a customer said what went wrong."""
    return render("survey_explained.html", locale, brand=brand)


def refused_page(locale: str, reason: str) -> str:
    """Returns the page that says why there is no survey to answer."""
    return render("survey_refused.html", locale, reason=reason)


def unsubscribe_page(locale: str) -> str:
    """Returns the page with the button that unsubscribes from surveys."""
    return render("unsubscribe.html", locale)


def unsubscribed_page(locale: str) -> str:
    """Returns the page that says that it is done."""
    return render("unsubscribed.html", locale)


@cache
def _environment(locale: str) -> Environment:
    """Returns the templates with the texts of a locale."""
    translate = _translations(locale)

    def both(english: str, **values: str) -> Markup:
        text = Markup(english) % values  # noqa: S704 - a text of ours; what is filled in is escaped
        if locale == "en":
            return text
        ours = Markup(translate(english)) % values  # noqa: S704
        return Markup('{} <span class="en" lang="en">{}</span>').format(ours, text)

    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_callables(translate, lambda one, _, __: translate(one), newstyle=True)  # type: ignore[attr-defined]
    environment.filters["number"] = lambda value: format_decimal(value, locale=_locale(locale))
    environment.globals |= {"locale": locale, "both": both, "languages": _languages()}
    return environment


def _translations(locale: str) -> Callable[[str], str]:
    """Returns what translates an English text into a locale."""
    if locale == "en":
        return lambda english: english
    with (_HERE / "locales" / f"{locale}.po").open("rb") as file:
        catalog = read_po(file, locale=_locale(locale), abort_invalid=True)
    texts = {str(message.id): str(message.string) for message in catalog if message.id and message.string}
    return lambda english: texts.get(english, english)


@cache
def _languages() -> tuple[tuple[str, str], ...]:
    """Returns each of our locales with the name that its language has for itself."""
    return tuple((locale, _locale(locale).languages[str(_locale(locale))]) for locale in LOCALES)


def _locale(locale: str) -> Locale:
    return Locale.parse(locale, sep="-")
