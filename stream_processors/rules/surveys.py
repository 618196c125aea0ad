"""Holds the rules of surveys: when, whom and in which words to ask. Data (`config/surveys.yaml`), and the secrets that sign links.

The secrets are no part of the rules: rules are versioned, copied and read by people. A worker without a secret asks
nobody, and says so in every `InvitationFact`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from schemas import survey_link
from schemas.events import CHANNELS, LOCALES
from schemas.survey_link import SurveyLink
from schemas.yamlfile import Document, read
from stream_processors.rules.loop_guards import Cap
from stream_processors.text import sms
from stream_processors.text.own_words import own_words

__all__ = ["KINDS", "Signing", "Surveys", "Written"]

#: What is written to customers about a survey.
KINDS = ("invitation", "thanks", "sorry")
FORMS = ("email", "short")
#: A customer's invitations are counted by their times, and so many times are remembered at most.
MOST_INVITATIONS = 20
_MINUTE = 60_000_000
_DAY = 1440 * _MINUTE
_NAME_CHARACTERS = 40
_FIELDS = ("invite", "resolution_days", "greetings", "subjects", *KINDS)
_INVITE = ("channels", "after_minutes", "chat_after_minutes", "cap", "link_days")


class Signing(NamedTuple):
    """Makes links to the survey pages; the first of the secrets signs them."""

    url: str
    secrets: tuple[str, ...]

    @classmethod
    def of(cls, url: str, secrets: str) -> Signing | None:
        """Returns the signing of these settings; `secrets` is comma-separated. None when there is none."""
        each = tuple(secret.strip() for secret in secrets.split(",") if secret.strip())
        return cls(url, each) if each else None

    def link(self, link: SurveyLink, url: str = "") -> str:
        """Returns the address to send to the customer: on these pages, of a brand, or on those of the settings."""
        return survey_link.url(url or self.url, link, self.secrets)


class Written(NamedTuple):
    """A message that is ready to send; `subject` is for mail only."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Surveys:
    """Holds the settings and texts in force. `version` is 12 hex characters of the file's content; times in micros."""

    version: str
    channels: frozenset[str]
    after_micros: int
    chat_after_micros: int
    cap: Cap
    link_micros: int
    resolution_micros: int
    _greetings: Mapping[str, Mapping[str, str]]
    _subjects: Mapping[str, Mapping[str, str]]
    _texts: Mapping[tuple[str, str, str], str]

    @classmethod
    def load(cls, path: Path) -> Surveys:
        """Reads and checks the file.

        Raises:
            ConfigurationError: with file and line of the first mistake.
        """
        document = read(path)
        data = document.data
        if not isinstance(data, dict):
            document.refuse("must be a mapping")
        document.known(data, _FIELDS)
        for name in _FIELDS:
            if not isinstance(data.get(name), int if name == "resolution_days" else dict):
                document.refuse(f"{name} is missing or not what it should be", name)
        invite = data["invite"]
        document.known(invite, _INVITE, "invite")
        surveys = cls(
            version=document.version,
            channels=_channels(document),
            after_micros=_number(document, "after_minutes", 0) * _MINUTE,
            chat_after_micros=_number(document, "chat_after_minutes", 0) * _MINUTE,
            cap=_cap(document),
            link_micros=_number(document, "link_days", 1) * _DAY,
            resolution_micros=_whole(document, data["resolution_days"], 1, "resolution_days") * _DAY,
            _greetings={locale: _greetings(document, locale) for locale in LOCALES},
            _subjects={kind: _by_locale(document, "subjects", kind) for kind in KINDS},
            _texts={
                (kind, form, locale): text
                for kind, form in product(KINDS, FORMS)
                for locale, text in _by_locale(document, kind, form).items()
            },
        )
        _try(surveys, document)
        return surveys

    def write(self, kind: str, locale: str, name: str, *, mail: bool, link: str = "") -> Written:
        """Returns the message of a kind, in English where we do not write that language, with the name where it is known."""
        locale = locale if locale in LOCALES else "en"
        greetings, called = self._greetings[locale], own_words(name, _NAME_CHARACTERS)
        if mail:
            greeting = greetings["named"].replace("{name}", called) if called else greetings["plain"]
            text = self._texts[kind, "email", locale]
            return Written(self._subjects[kind][locale], _filled(text, greeting, link))
        greeting = greetings["short"].replace("{name}", called) if called else ""
        text = _filled(self._texts[kind, "short", locale], greeting, link)
        if kind != "invitation" and greeting and not sms.fits(text):
            text = _filled(self._texts[kind, "short", locale], "", link)
        return Written("", text[:1].upper() + text[1:])


def _filled(text: str, greeting: str, link: str) -> str:
    return text.replace("{link}", link).replace("{greeting}", greeting)


def _channels(document: Document) -> frozenset[str]:
    channels = document.data["invite"].get("channels")
    if not isinstance(channels, list):
        document.refuse("channels must be a list", "invite", "channels")
    for number, channel in enumerate(channels):
        if channel not in CHANNELS:
            document.refuse(f"{channel!r} is not a channel", "invite", "channels", number, fix=", ".join(CHANNELS))
    return frozenset(channels)


def _cap(document: Document) -> Cap:
    cap = document.data["invite"].get("cap")
    if not isinstance(cap, dict) or set(cap) != {"count", "days"}:
        document.refuse("must be {count: ..., days: ...}", "invite", "cap")
    count = _whole(document, cap["count"], 1, "invite", "cap", "count")
    if count > MOST_INVITATIONS:
        document.refuse(f"count may be {MOST_INVITATIONS} at most: no more are remembered", "invite", "cap", "count")
    return Cap(count, _whole(document, cap["days"], 1, "invite", "cap", "days") * _DAY)


def _number(document: Document, name: str, least: int) -> int:
    return _whole(document, document.data["invite"].get(name), least, "invite", name)


def _whole(document: Document, value: Any, least: int, *at: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        document.refuse(f"{at[-1]} must be a whole number of {least} or more", *at)
    return value


def _greetings(document: Document, locale: str) -> dict[str, str]:
    greetings = document.data["greetings"].get(locale)
    if not isinstance(greetings, dict) or set(greetings) != {"named", "plain", "short"}:
        document.refuse("must be {named: ..., plain: ..., short: ...}", "greetings", locale)
    for name, text in greetings.items():
        if not isinstance(text, str) or ("{name}" in text) != (name != "plain"):
            document.refuse("named and short hold {name}, plain does not", "greetings", locale, name)
    return greetings


def _by_locale(document: Document, kind: str, form: str) -> dict[str, str]:
    texts = document.data[kind].get(form)
    if not isinstance(texts, dict) or set(texts) != set(LOCALES):
        document.refuse(f"must hold {', '.join(LOCALES)}, and nothing else", kind, form)
    for locale, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            document.refuse("is not a text", kind, form, locale)
    return texts


def _try(surveys: Surveys, document: Document) -> None:
    """Refuses a text that lacks what it must say or does not fit its channel."""
    for (kind, form, locale), text in surveys._texts.items():
        if "{greeting}" not in text:
            document.refuse("does not greet: {greeting} is missing", kind, form, locale)
        if ("{link}" in text) != (kind == "invitation"):
            document.refuse("invitations hold {link}, and nothing else does", kind, form, locale)
        if form == "short" and kind != "invitation":
            written = surveys.write(kind, locale, "", mail=False).text
            if not sms.fits(written):
                document.refuse(f"does not fit into one SMS: {written!r}", kind, form, locale, fix="shorten it")
