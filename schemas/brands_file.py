"""Reads and validates `brands.yaml`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from schemas.brands import MAILBOX, NAME_CHARACTERS, Brand, Brands, Look, WhatsAppTemplate
from schemas.events import LOCALES
from schemas.yamlfile import Document, read

__all__ = ["PLACES", "load"]

_SLUG = re.compile(r"[a-z][a-z0-9_-]{0,39}")
MOST_BRANDS = 200
_LOCAL = re.compile(r"[a-z0-9][a-z0-9._-]{0,40}")
_DOMAIN = re.compile(r"[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_NUMBER = re.compile(r"\+[1-9][0-9]{5,14}")
_FOLDER = re.compile(r"[a-z0-9_-]+(?:/[a-z0-9_-]+)?")
_CONTENT_SID = re.compile(r"HX[0-9a-f]{32}")
_PLACE = re.compile(r"\{([^{}]*)\}")
_WHATSAPP = "whatsapp:"
_SIGNATURE_CHARACTERS = 2_000
_FIELDS = (
    "name", "sender_name", "mail_domain", "mailbox", "addresses", "numbers", "accounts", "sites", "templates",
    "signatures", "help_centre", "survey_url", "look", "whatsapp",
)  # fmt: skip
_LOOK = ("colour", "text_colour", "title", "greeting")
#: What a value of a WhatsApp template may name.
PLACES = ("text", "name", "ticket", "brand")


def load(path: Path, mail_domain: str) -> Brands:
    """Reads `brands.yaml`. A brand without a `mail_domain` has this one.

    Raises:
        ConfigurationError: with file and line of the first mistake.
    """
    document = read(path)
    data = {} if document.data is None else document.data
    if not isinstance(data, dict):
        document.refuse("must be a mapping", fix="write `default:` and `brands:`")
    document.known(data, ("default", "brands"))
    entries = data.get("brands") or {}
    if not isinstance(entries, dict):
        document.refuse("must be a mapping of slugs", "brands")
    if len(entries) > MOST_BRANDS:
        document.refuse(f"{len(entries)} brands, at most {MOST_BRANDS} are read", "brands")
    brands = {str(slug): _brand(document, slug, entry, mail_domain) for slug, entry in entries.items()}
    default = data.get("default")
    if not brands:
        if default is not None:
            document.refuse(f"the default {default!r} is not one of the brands", "default")
        return replace(Brands.nameless(mail_domain), version=document.version)
    if not isinstance(default, str) or default not in brands:
        document.refuse(
            f"the default {default!r} is not one of the brands", "default", fix=f"one of {', '.join(brands)}"
        )
    domains = frozenset((mail_domain.lower(), *(each.mail_domain for each in brands.values())))
    return Brands(brands[default], brands, document.version, domains, *_places(document, brands))


def _places(document: Document, brands: Mapping[str, Brand]) -> tuple[dict[str, str], ...]:
    """Returns, of mail, numbers, accounts and sites, which brand each belongs to. What belongs to two is refused."""
    mail: dict[str, str] = {}
    numbers: dict[str, str] = {}
    accounts: dict[str, str] = {}
    sites: dict[str, str] = {}
    for slug, brand in brands.items():
        for table, values, name in (
            (mail, (brand.address, *brand.addresses), "addresses"),
            (numbers, brand.numbers, "numbers"),
            (accounts, brand.accounts, "accounts"),
            (sites, brand.sites, "sites"),
        ):
            for value in values:
                if (other := table.setdefault(value, slug)) != slug:
                    fix = "set `mailbox` or `mail_domain`" if value == brand.address else ""
                    document.refuse(f"{value!r} belongs to {other!r} already", "brands", slug, name, fix=fix)
    domains = [brand.mail_domain for brand in brands.values()]
    alone = {f"@{each.mail_domain}": slug for slug, each in brands.items() if domains.count(each.mail_domain) == 1}
    return alone | mail, numbers, accounts, sites


# -- one brand --------------------------------------------------------------------------------------------------------


def _brand(document: Document, slug: Any, entry: Any, mail_domain: str) -> Brand:
    at: tuple[str, ...] = ("brands", str(slug))
    if not isinstance(slug, str) or not _SLUG.fullmatch(slug):
        document.refuse(f"{slug!r} is not a slug", *at, fix="use lower case letters, digits, - and _")
    if not isinstance(entry, dict):
        document.refuse("has no fields", *at, fix="give it a `name`")
    document.known(entry, _FIELDS, *at)
    fields = _Fields(document, entry, at)
    name = fields.line("name")
    if not name:
        document.refuse("has no name", *at, fix="write `name:` as customers know it")
    domain = fields.matching("mail_domain", _DOMAIN, "a domain such as acme.example", lower=True) or mail_domain.lower()
    return Brand(
        slug=slug,
        name=name,
        sender_name=fields.line("sender_name") or name,
        mail_domain=domain,
        mailbox=fields.matching("mailbox", _LOCAL, "the first part of an address", lower=True) or MAILBOX,
        addresses=fields.each("addresses", _is_address, "an address such as help@acme.example", lower=True),
        numbers=fields.each("numbers", _is_number, 'a number such as "+442071838750" or "whatsapp:+442071838750"'),
        accounts=fields.each("accounts", _is_account, "an account such as facebook:10215", lower=True),
        sites=fields.each("sites", _is_site, "a host such as www.acme.example", lower=True),
        templates=fields.matching("templates", _FOLDER, "a folder within the rules, such as templates/acme"),
        signatures=fields.texts("signatures", _SIGNATURE_CHARACTERS),
        help_centre=fields.url("help_centre"),
        survey_url=fields.url("survey_url").rstrip("/"),
        look=_look(fields),
        whatsapp=_whatsapp(fields),
    )


def _look(fields: _Fields) -> Look:
    look = fields.inside("look", _LOOK)
    return Look(
        look.matching("colour", _COLOUR, 'a colour such as "#0a7d5a"'),
        look.matching("text_colour", _COLOUR, 'a colour such as "#ffffff"'),
        look.texts("title", 80),
        look.texts("greeting", 300),
    )


def _whatsapp(fields: _Fields) -> dict[tuple[str, str], WhatsAppTemplate]:
    document, found = fields.document, {}
    kinds = fields.inside("whatsapp", ("reply", "survey", "thanks", "acknowledgement"))
    for kind in kinds.entry:
        locales = kinds.inside(kind, LOCALES)
        for locale in locales.entry:
            template = locales.inside(locale, ("content_sid", "variables"))
            sid = template.matching("content_sid", _CONTENT_SID, "a ContentSid (HX and 32 hexadecimal digits)")
            if not sid:
                document.refuse("has no content_sid", *template.at, fix="Twilio's Content Template Builder shows it")
            found[kind, locale] = WhatsAppTemplate(sid, _variables(template))
    return found


def _variables(template: _Fields) -> dict[str, str]:
    document, at = template.document, (*template.at, "variables")
    given = template.entry.get("variables")
    if not isinstance(given, dict) or not given:
        document.refuse("must say what each variable is filled with", *at, fix='such as `"1": "{text}"`')
    variables = {}
    for name, value in given.items():
        if not isinstance(value, str) or not value.strip() or not str(name).strip():
            document.refuse(f"{value!r} is not a text", *at, str(name))
        for place in _PLACE.findall(value):
            if place not in PLACES:
                document.refuse(f"{{{place}}} is not known", *at, str(name), fix=f"use {', '.join(PLACES)}")
        variables[str(name)] = value
    if not any("{text}" in value for value in variables.values()):
        document.refuse("no variable holds {text}: what we have to say would be lost", *at)
    return variables


class _Fields(NamedTuple):
    """Reads the fields of a mapping that stands at `at`."""

    document: Document
    entry: dict[str, Any]
    at: tuple[str, ...]

    def line(self, name: str) -> str:
        value = self.entry.get(name, "")
        if not isinstance(value, str) or not value.isprintable() or len(value) > NAME_CHARACTERS:
            self.document.refuse(f"{name} must be one line of at most {NAME_CHARACTERS} characters", *self.at, name)
        return value.strip()

    def matching(self, name: str, pattern: re.Pattern[str], what: str, *, lower: bool = False) -> str:
        value = self.entry.get(name, "")
        text = value.lower() if lower and isinstance(value, str) else value
        if value == "":
            return ""
        if not isinstance(text, str) or not pattern.fullmatch(text):
            self.document.refuse(f"{value!r} is not {what}", *self.at, name)
        return text

    def url(self, name: str) -> str:
        value = self.entry.get(name, "")
        if value == "":
            return ""
        if not isinstance(value, str) or not value.isprintable() or " " in value or not _is_url(value):
            self.document.refuse(f"{value!r} is not an address that begins with https:// or http://", *self.at, name)
        return value

    def each(self, name: str, is_one: Callable[[str], bool], what: str, *, lower: bool = False) -> tuple[str, ...]:
        values = self.entry.get(name) or []
        if not isinstance(values, list):
            self.document.refuse(f"{name} is not a list", *self.at, name)
        found = []
        for number, value in enumerate(values):
            text = value.lower() if lower and isinstance(value, str) else value
            if not isinstance(text, str) or not is_one(text):
                self.document.refuse(f"{value!r} is not {what}", *self.at, name, number)
            found.append(text)
        return tuple(dict.fromkeys(found))

    def texts(self, name: str, most: int) -> dict[str, str]:
        texts = self.inside(name, LOCALES)
        for locale, text in texts.entry.items():
            if not isinstance(text, str) or not text.strip() or len(text) > most:
                self.document.refuse(f"is not a text of at most {most} characters", *texts.at, locale)
        return {locale: text.strip() for locale, text in texts.entry.items()}

    def inside(self, name: str, known: Iterable[str]) -> _Fields:
        value, at = self.entry.get(name), (*self.at, name)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            self.document.refuse(f"{name} is not a mapping", *at)
        self.document.known(value, known, *at)
        return _Fields(self.document, value, at)


def _is_address(text: str) -> bool:
    local, _, domain = text.rpartition("@")
    return 0 < len(local) <= 64 and local.isprintable() and " " not in local and bool(_DOMAIN.fullmatch(domain))


def _is_number(text: str) -> bool:
    return bool(_NUMBER.fullmatch(text.removeprefix(_WHATSAPP)))


def _is_account(text: str) -> bool:
    network, _, account = text.partition(":")
    return bool(_SLUG.fullmatch(network)) and 0 < len(account) <= 100 and account.isprintable() and " " not in account


def _is_site(text: str) -> bool:
    return text == "localhost" or bool(_DOMAIN.fullmatch(text)) or bool(re.fullmatch(r"[0-9.]+", text))


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
