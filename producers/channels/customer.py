"""Identifies a customer: by e-mail address, else telephone number, else the source's own id."""

from __future__ import annotations

from typing import NamedTuple

from producers.channels.telephone import e164
from producers.text.fields import address_problem, identifier
from schemas import identity

__all__ = ["Known", "known"]


class Known(NamedTuple):
    """`customer_id` is canonical; `address` is where they can be answered. Both are '' for an unknown customer."""

    customer_id: str
    address: str


def known(
    email: object = "", phone: object = "", country: object = "", *, other: tuple[str, object] = ("", "")
) -> Known:
    """Returns the first usable identity.

    phone    as people write it; `country` (such as JP) is for numbers without their own
    other    kind and value of the source's own id: ('shopify', 77) → `shopify:77`
    """
    address = _text(email)
    if address and not address_problem(address):
        return Known(identity.canonical_customer_id("email", address), address)
    number = e164(_text(phone)[:40], _text(country)[:2]) if phone else ""
    if number:
        return Known(identity.canonical_customer_id("tel", number), number)
    kind, value = other[0], identifier(_text(other[1]))
    return Known(identity.canonical_customer_id(kind, value), value) if value else Known("", "")


def _text(value: object) -> str:
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
