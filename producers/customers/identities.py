"""Brings what senders write of an address or number into one canonical form: one customer, one id.

    email:ann@example.org   lower case, the domain as DNS knows it (`xn--...`); without what mail programs put around it
    tel:+15550100           E.164; a number without a country belongs to the default region
    x:12345                 a social handle or account, by network; likewise meta:...
    ext:4711                the id of another system, as it is there

`+tags` and the dots of Gmail are part of an address unless the settings say otherwise: on most systems they make
different mailboxes. Merging strangers is worse than not recognising a friend.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from producers.channels.telephone import e164
from producers.text.domains import ascii_domain
from schemas.errors import Refused
from schemas.identity import canonical_customer_id

__all__ = ["Identities"]

#: Nearly every address: nothing to be done.
_PLAIN = re.compile(r"[a-z0-9._-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+")
_AROUND = " \t\r\n\"'<>(){},;:.\u00a0\u3000\u3001\u3002\uff0c\uff1b\u300c\u300d\u2018\u2019\u201c\u201d"
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_MAILTO = re.compile(r"^mailto:", re.IGNORECASE)
_TEL = re.compile(r"^(?:tel|sms|callto|whatsapp):", re.IGNORECASE)
_KIND = re.compile(r"[a-z][a-z0-9_]{0,19}")
_GMAIL = frozenset(("gmail.com", "googlemail.com"))
_SHORT_CODE = re.compile(r"[0-9]{3,8}")
#: Networks whose handles are written with an @ and in any case.
_HANDLES = frozenset(("x", "meta"))
_LONGEST = 254


@dataclass(frozen=True, slots=True)
class Identities:
    """Holds the rules of a deployment. `region` (ISO 3166, `GB`) is that of numbers without a country; '' for none."""

    region: str = ""
    plus_is_same: bool = False
    dots_are_same: bool = False

    def customer_id(self, customer_id: str) -> str:
        """Returns `kind:value` with the value in its canonical form.

        Raises:
            Refused: `bad_customer_id`: it has no kind or no value, or is no address or number.
        """
        kind, _, value = customer_id.partition(":")
        kind = kind.strip().lower()
        if not _KIND.fullmatch(kind) or not value.strip():
            raise Refused("bad_customer_id", f"{customer_id[:60]!r} is not kind:value")
        if kind == "email":
            return self.email(value)
        if kind == "tel":
            return self.phone(value)
        if kind in _HANDLES:
            return self.social(kind, value)
        return self.external(value) if kind == "ext" else canonical_customer_id(kind, value)

    def email(self, address: str) -> str:
        """Returns the id of an address: `"<Ann@Example.ORG>,"` → `email:ann@example.org`.

        Raises:
            Refused: `bad_customer_id`.
        """
        if not (_PLAIN.fullmatch(address) and "xn--" not in address):
            address = _address(address)
        if not self.plus_is_same and not self.dots_are_same:
            return f"email:{address}"
        local, _, domain = address.rpartition("@")
        if self.plus_is_same:
            local = local.partition("+")[0] or local
        if self.dots_are_same and domain in _GMAIL:
            local, domain = local.replace(".", "") or local, "gmail.com"
        return f"email:{local}@{domain}"

    def phone(self, number: str) -> str:
        """Returns the id of a number: `0044 (20) 7946-0000` → `tel:+442079460000`; a short code (`12345`) stays.

        Raises:
            Refused: `bad_customer_id`.
        """
        plain = _TEL.sub("", unicodedata.normalize("NFKC", _INVISIBLE.sub("", number)).strip()).strip()
        found = e164(plain, self.region)
        if not found and _SHORT_CODE.fullmatch(plain):
            found = plain
        if not found:
            raise Refused("bad_customer_id", f"{number[:40]!r} is not a telephone number")
        return f"tel:{found}"

    @staticmethod
    def social(network: str, handle: str) -> str:
        """Returns the id of a handle: `@Ann_Lee` → `x:ann_lee`; numeric account ids stay.

        Raises:
            Refused: `bad_customer_id`.
        """
        plain = unicodedata.normalize("NFKC", _INVISIBLE.sub("", handle)).strip().removeprefix("@").lower()
        if not plain or len(plain) > _LONGEST:
            raise Refused("bad_customer_id", f"{handle[:40]!r} is not a handle")
        return f"{network}:{plain}"

    @staticmethod
    def external(value: str) -> str:
        """Returns the id that another system gives, without white space around it.

        Raises:
            Refused: `bad_customer_id`.
        """
        plain = value.strip()
        if not plain or len(plain) > _LONGEST:
            raise Refused("bad_customer_id", f"{value[:40]!r} is not an id")
        return canonical_customer_id("ext", plain)


def _address(text: str) -> str:
    plain = _MAILTO.sub("", _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).strip(_AROUND)).strip(_AROUND)
    local, at, domain = plain.rpartition("@")
    local = local.strip(_AROUND.replace(".", ""))
    if not at or not local or not domain or len(plain) > _LONGEST or any(map(str.isspace, plain)):
        raise Refused("bad_customer_id", f"{text[:60]!r} is not an e-mail address")
    return f"{unicodedata.normalize('NFC', local.lower())}@{_domain(domain)}"


def _domain(domain: str) -> str:
    """Returns a domain as DNS knows it; one that DNS cannot know in lower case."""
    return ascii_domain(domain.lower().rstrip("."))
