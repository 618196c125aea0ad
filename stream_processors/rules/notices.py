"""Holds the short texts of `config/notices.yaml`: those that answer STOP, START and HELP, and the one of an incident."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from types import MappingProxyType

from schemas.events import LOCALES
from schemas.yamlfile import Document, read
from stream_processors.rules.incidents import TEXT_CHARACTERS
from stream_processors.text import sms

__all__ = ["KINDS", "Notices"]

KINDS = ("help", "opt_out", "opt_in")
#: The word that every text of a kind has to name: how to get out of it.
_NAMED = {"help": "STOP", "opt_out": "START", "opt_in": "STOP"}
_CONTACT = "{contact}"


@dataclass(frozen=True, slots=True)
class Notices:
    """Holds the texts in force. `version` is 12 hex characters of the file's content."""

    version: str
    _texts: Mapping[tuple[str, str, str], str]
    _incident: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path, mail_domain: str, contacts: Mapping[str, str] = MappingProxyType({})) -> Notices:
        """Reads and checks every text. Our support is `support@mail_domain`, or by brand one of `contacts`.

        Raises:
            ConfigurationError: with file and line of the first mistake: a kind or locale is missing, no text of it fits
                into one SMS, or one does not name the word that leads out again.
        """
        document = read(path)
        data = document.data
        if not isinstance(data, dict) or set(data) - {"incident"} != set(KINDS):
            document.refuse(f"must hold {', '.join(KINDS)}, perhaps `incident`, and nothing else")
        every = {"": f"support@{mail_domain}", **contacts}
        return cls(
            document.version,
            {
                (kind, locale, brand): _fitting(document, kind, locale, contact)
                for kind, locale, (brand, contact) in product(KINDS, LOCALES, every.items())
            },
            _incident(document),
        )

    def text(self, kind: str, locale: str, brand: str = "") -> str:
        """Returns the text of a kind with the address of a brand, in English where there is none in that locale."""
        return self._texts.get((kind, locale, brand)) or self._texts[kind, "en", brand]

    def incident(self, locale: str) -> str:
        """Returns what is said of the incident that goes on, in English where it has no text in that locale; '' without one."""
        return self._incident.get(locale) or self._incident.get("en", "")


def _incident(document: Document) -> dict[str, str]:
    """Returns the text of the incident by locale. It is one line, and there is one in English."""
    texts = document.data.get("incident") or {}
    if not isinstance(texts, dict) or (texts and "en" not in texts):
        document.refuse("needs a text in `en`, and may have one in others", "incident")
    for locale, text in texts.items():
        if locale not in LOCALES:
            document.refuse(f"{locale!r} is not a locale", "incident", locale, fix=", ".join(LOCALES))
        whole = isinstance(text, str) and text.strip() and text.strip().isprintable()
        if not whole or len(text.strip()) > TEXT_CHARACTERS:
            document.refuse(f"must be one line of at most {TEXT_CHARACTERS} characters", "incident", locale)
    return {locale: text.strip() for locale, text in texts.items()}


def _fitting(document: Document, kind: str, locale: str, contact: str) -> str:
    by_locale = document.data[kind]
    if not isinstance(by_locale, dict) or set(by_locale) != set(LOCALES):
        document.refuse(f"must hold {', '.join(LOCALES)}, and nothing else", kind)
    texts = by_locale[locale]
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        document.refuse("must be a list of texts", kind, locale)
    for number, text in enumerate(texts):
        if _NAMED[kind] not in text:
            document.refuse(f"does not name {_NAMED[kind]}", kind, locale, number)
    written = (text.strip().replace(_CONTACT, contact) for text in texts)
    found = next((text for text in written if sms.fits(text)), "")
    if not found:
        document.refuse("none of the texts fits into one SMS", kind, locale, fix="add a shorter one")
    return found
