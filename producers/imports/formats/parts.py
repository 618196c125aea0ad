"""Holds the parts of an export: records of tickets and people, what is refused, and what one ticket comes to. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from producers.imports.formats.fields import text
from producers.imports.formats.origin import Origin
from producers.text.fields import address_problem, prose, time_zone_problem
from producers.text.locales import locale_hint
from schemas import identity
from schemas.events import Event

__all__ = ["Part", "People", "Person", "Reading", "Refusal", "part_of", "unknown"]

_TELEPHONE = re.compile(r"^\+[1-9][0-9]{6,14}$")
#: An export's record of a person by its id; None when the export does not have it.
People = Callable[[Any], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Refusal:
    """A part of an export that cannot become an event. `body` is that part, for the dead letter."""

    reason: str
    detail: str
    id: str = ""
    body: Any = None


#: A part of an export: what it is, the id of its person or ticket, itself.
Part = tuple[str, str, Mapping[str, Any]]


def part_of(kind: str, owner: object, body: Mapping[str, Any]) -> Part | Refusal:
    """Returns the part, or a refusal when it names no ticket or person."""
    if own := text(owner):
        return kind, own, body
    return Refusal("no_ticket_id", f"one of the {kind} does not say which ticket it belongs to", body=body)


def unknown(product: str, body: Mapping[str, Any]) -> Refusal:
    """Returns the refusal of a record that this product's exports do not hold."""
    keys = ", ".join(str(name)[:40] for name in list(body)[:12])
    return Refusal("unknown_record", f"no record of {product} has the keys {keys}", body=body)


@dataclass
class Reading:
    """The events of one ticket in the order of their times, the refused parts, and the rest.

    left_out  counts what was left out on purpose, by kind (`template`, `activity`, ...)
    """

    events: list[Event] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Person:
    """Somebody in an export. `customer_id` is canonical: e-mail address, else number, else the product's own id."""

    customer_id: str
    address: str = ""
    name: str = ""
    language: str = ""
    time_zone: str = ""

    @classmethod
    def of(cls, origin: Origin, own_id: object, body: Mapping[str, Any]) -> Person:
        """Returns the person of a record with the usual names: `email`, `phone`/`mobile`/`phone_number`, `name`, `locale`."""
        address = text(body.get("email")).strip()
        if not address or address_problem(address):
            numbers = (text(body.get(name)) for name in ("phone", "mobile", "phone_number"))
            number = next((found for found in (_telephone(number) for number in numbers) if found), "")
            address, kind = number, "tel"
        else:
            kind = "email"
        own = f"{origin.account}/{own_id}" if origin.account else str(own_id)
        zone = text(body.get("iana_time_zone")) or text(body.get("time_zone"))
        return cls(
            customer_id=identity.canonical_customer_id(kind, address) if address else f"{origin.product}:{own}",
            address=address,
            name=prose(text(body.get("name")), 200),
            language=locale_hint(text(body.get("locale")) or text(body.get("language"))),
            time_zone="" if time_zone_problem(zone) else zone,
        )


def _telephone(number: str) -> str:
    bare = re.sub(r"[\s().\-/]", "", number)
    return bare if _TELEPHONE.match(bare) else ""
