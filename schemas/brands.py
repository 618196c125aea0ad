"""Holds the brands: several names under one roof, and what a customer has written to.

Producers decide the brand of a contact (`of_mail`, `of_number`, `of_account`, `of_site`, or the source says it), and the
rules of the worker hold the same file (`schemas.brands_file`), with a version. A slug that is not in the file is the default
brand. So is '', which a file without brands gives to everything: then nothing differs from a deployment without the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

__all__ = ["MAILBOX", "NAME_CHARACTERS", "NO_LOOK", "Brand", "Brands", "Look", "WhatsAppTemplate"]

MAILBOX = "support"
#: Of a name.
NAME_CHARACTERS = 60
_WHATSAPP = "whatsapp:"


class Look(NamedTuple):
    """How the pages and the chat window of a brand look; '' for what they have without a brand. Texts are by locale."""

    colour: str = ""
    text_colour: str = ""
    title: Mapping[str, str] = {}
    greeting: Mapping[str, str] = {}


NO_LOOK = Look()


class WhatsAppTemplate(NamedTuple):
    """A template that WhatsApp has approved: its ContentSid, and what its variables are filled with, such as `{text}`."""

    content_sid: str
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Brand:
    """Holds one brand; `slug` '' is the one of a deployment that names none.

    name         as customers know it, '' for the nameless one; `sender_name` is what mail programs show
    mail_domain, mailbox  make the addresses that answers go to: `mailbox+TOKEN@mail_domain`
    addresses    other addresses that it is written to at
    numbers      where SMS, WhatsApp (`whatsapp:+44...`) and calls come to; the first of each kind is what it sends from
    accounts     pages and handles on social networks; the first one of a network sends
    sites        hosts that its chat and forms are on
    templates    the folder of its acknowledgements within the rules, '' for the common ones
    signatures   by locale, under what its people and acknowledgements write
    whatsapp     templates by kind of message (`reply survey ...`) and locale, for after the 24 hours
    """

    slug: str
    mail_domain: str
    name: str = ""
    sender_name: str = ""
    mailbox: str = MAILBOX
    addresses: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    templates: str = ""
    signatures: Mapping[str, str] = field(default_factory=dict)
    help_centre: str = ""
    survey_url: str = ""
    look: Look = NO_LOOK
    whatsapp: Mapping[tuple[str, str], WhatsAppTemplate] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Returns its own address: `mailbox@mail_domain`."""
        return f"{self.mailbox}@{self.mail_domain}"

    def signature(self, locale: str) -> str:
        """Returns its signature in this language, in English where it has none, '' where it has none at all."""
        return self.signatures.get(locale) or self.signatures.get("en", "")

    def sends_from(self, address: str) -> str:
        """Returns the number that a message to this address is sent from, '' for that of the settings."""
        by_whatsapp = address.startswith(_WHATSAPP)
        fitting = (each for each in self.numbers if each.startswith(_WHATSAPP) == by_whatsapp)
        return next(fitting, "").removeprefix(_WHATSAPP)

    def whatsapp_template(self, kind: str, locale: str) -> WhatsAppTemplate | None:
        """Returns the template of a kind of message in this language, else in English, else None."""
        return self.whatsapp.get((kind, locale)) or self.whatsapp.get((kind, "en"))


@dataclass(frozen=True, slots=True)
class Brands:
    """Holds all brands by slug. `version` is 12 hex characters of the file's content."""

    default: Brand
    brands: Mapping[str, Brand]
    version: str
    domains: frozenset[str]
    _mail: Mapping[str, str]
    _numbers: Mapping[str, str]
    _accounts: Mapping[str, str]
    _sites: Mapping[str, str]

    @property
    def all(self) -> tuple[Brand, ...]:
        """Returns every brand, the default one first."""
        others = (each for each in self.brands.values() if each is not self.default)
        return (self.default, *others)

    def get(self, slug: str) -> Brand:
        """Returns the brand of this slug; the default one where there is none."""
        return self.brands.get(slug, self.default)

    def slug_of(self, slug: str) -> str:
        """Returns the slug as it stands in the file, or that of the default brand."""
        return self.brands.get(slug, self.default).slug

    def __contains__(self, slug: object) -> bool:
        return slug in self.brands

    def of_mail(self, recipients: Iterable[str]) -> str:
        """Returns the slug of the first recipient that is an address of a brand, '' where none is.

        Its own address with or without `+TOKEN`, one of its others, or any in a domain that is one brand's alone.
        """
        for recipient in recipients:
            local, _, domain = recipient.strip().lower().rpartition("@")
            plain = f"{local.partition('+')[0]}@{domain}"
            slug = self._mail.get(f"{local}@{domain}") or self._mail.get(plain) or self._mail.get(f"@{domain}")
            if slug:
                return slug
        return ""

    def is_ours(self, address: str) -> bool:
        """Returns true for an address in the domain of a brand, and for each that a brand names as its own."""
        plain = address.strip().lower()
        return plain.rpartition("@")[2] in self.domains or bool(self.brands and self.of_mail((plain,)))

    def is_mailbox(self, address: str) -> bool:
        """Returns true for an address whose mail we read: of each brand its own and its others, with or without `+TOKEN`."""
        local, _, domain = address.strip().lower().rpartition("@")
        spellings = {f"{local}@{domain}", f"{local.partition('+')[0]}@{domain}"}
        return any(each.lower() in spellings for brand in self.all for each in (brand.address, *brand.addresses))

    def of_number(self, number: str) -> str:
        """Returns the slug of the brand that this number (`+44...`, `whatsapp:+44...`) belongs to, '' for none."""
        return self._numbers.get(number) or self._numbers.get(number.removeprefix(_WHATSAPP), "")

    def of_account(self, network: str, account: str) -> str:
        """Returns the slug of the brand of an account on a social network: `facebook`, `1234`; '' for none."""
        return self._accounts.get(f"{network}:{account}".lower(), "") or self._accounts.get(account.lower(), "")

    def of_site(self, site: str) -> str:
        """Returns the slug of the brand that a host or an origin (`https://shop.example`) belongs to, '' for none."""
        try:
            host = (urlsplit(site).hostname or "") if "//" in site else site.rpartition(":")[0] or site
        except ValueError:  # `https://[`, from whoever sends a form
            return ""
        return self._sites.get(host.lower(), "")

    @classmethod
    def nameless(cls, mail_domain: str) -> Brands:
        """Returns what a deployment has that names no brand."""
        default = Brand("", mail_domain)
        return cls(default, {}, "", frozenset((mail_domain.lower(),)), {}, {}, {}, {})
