"""Lets the simulated shop serve several brands: each of its customers writes to one of them, most to the default one."""

from __future__ import annotations

from zlib import crc32

import msgspec

from schemas.brands import Brand, Brands
from schemas.events import Event, MessageReceived

__all__ = ["written_to"]

#: Of ten customers, so many write to the default brand; the others share the rest.
_OF_TEN = 6


def written_to(event: Event, brands: Brands) -> Event:
    """Returns the event as a customer of one of the brands causes it; without brands as it is."""
    if not brands.brands or "brand" not in event.__struct_fields__:
        return event
    brand = _brand_of(event.customer_tag, brands)
    if isinstance(event, MessageReceived) and event.channel == "email":
        return msgspec.structs.replace(event, recipients=[_at(brand, each) for each in event.recipients])
    return msgspec.structs.replace(event, brand=brand.slug)


def _brand_of(tag: str, brands: Brands) -> Brand:
    others, drawn = brands.all[1:], crc32(tag.encode())
    return brands.default if not others or drawn % 10 < _OF_TEN else others[drawn // 10 % len(others)]


def _at(brand: Brand, recipient: str) -> str:
    """Returns the address of the brand, with the token of the address that the simulator thought of."""
    token = recipient.rpartition("@")[0].partition("+")[2]
    return f"{brand.mailbox}{'+' if token else ''}{token}@{brand.mail_domain}"
