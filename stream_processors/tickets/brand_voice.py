"""Says what of an outbound message depends on its brand: who sends it, and by which WhatsApp template if it comes late.

WhatsApp takes free text for 24 hours after the customer's last message to that number of ours; later only a template that it
has approved. Which of both goes out is decided when the message is sent; here both stand ready.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from schemas.brands import Brand
from schemas.clock import MICROS
from schemas.events import Event, MessageReceived
from schemas.identity import reply_address
from schemas.text import printable_line
from stream_processors.rules.taxonomy import Article
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.state import Customer

__all__ = [
    "WHATSAPP_WINDOW_MICROS",
    "automatic_signature",
    "in_help_centre",
    "is_whatsapp",
    "remember_whatsapp",
    "sent_by",
]

WHATSAPP_WINDOW_MICROS = 24 * 3600 * MICROS
_WHATSAPP = "whatsapp:"
#: Pairs of a number of theirs and a brand that are remembered: far more than anybody has.
_MOST_NUMBERS = 20
_PERSON, _HOST = re.compile(r"\{(agent|team)\}"), re.compile(r"^https?://[^/]*")
_PLACE = re.compile(r"\{(name|ticket|brand)\}")
_BRACES = str.maketrans("{}", "()")


def sent_by(
    context: FoldContext,
    brand: Brand,
    *,
    mail: bool,
    address: str,
    ticket: str,
    kind: str,
    locale: str,
    name: str,
) -> dict[str, Any]:
    """Returns the fields of an `Outbound` that say who sends it: the address that answers go to, the name, the template."""
    if mail:
        sender = reply_address(ticket, brand.mail_domain, brand.mailbox) if ticket else ""
        return {"sender": sender or (brand.address if brand.slug else ""), "sender_name": brand.sender_name}
    fields: dict[str, Any] = {"sender": brand.sends_from(address) if brand.numbers else ""}
    if address.startswith(_WHATSAPP):
        fields["window_ends_at"] = _window_ends_at(context, brand, address)
        if (template := brand.whatsapp_template(kind, locale)) is not None:
            values = {"name": _bare(name), "ticket": ticket, "brand": _bare(brand.name)}
            fields["template"] = template.content_sid
            fields["template_variables"] = _filled(template.variables, values)
    return fields


def remember_whatsapp(context: FoldContext, event: MessageReceived) -> Customer:
    """Returns the customer, who has just written by WhatsApp: from now on we may answer freely for 24 hours."""
    customer, brand = context.customer, context.brand_of_event
    known = {(address, slug): at for address, slug, at in customer.whatsapp}
    place = event.address, brand
    known[place] = max(known.pop(place, 0), context.now)
    kept = [(address, slug, at) for (address, slug), at in known.items()]
    return replace(customer, whatsapp=tuple(kept[-_MOST_NUMBERS:]))


def is_whatsapp(event: Event) -> bool:
    """Returns true for a message of a customer that came by WhatsApp."""
    return type(event) is MessageReceived and event.channel == "sms" and event.address.startswith(_WHATSAPP)


def automatic_signature(brand: Brand, locale: str) -> str:
    """Returns the brand's signature below what nobody wrote: without the lines that would name an agent or a team."""
    lines = brand.signature(locale).replace("{brand}", brand.name).split("\n")
    return "\n".join(line for line in lines if not _PERSON.search(line)).strip()


def in_help_centre(articles: tuple[Article, ...], brand: Brand) -> tuple[Article, ...]:
    """Returns the articles with their addresses in the brand's help centre: its host, and the path that they have."""
    if not brand.help_centre:
        return articles
    base = brand.help_centre.rstrip("/")
    return tuple(each._replace(url=f"{base}{_HOST.sub('', each.url, count=1)}") for each in articles)


def _window_ends_at(context: FoldContext, brand: Brand, address: str) -> int | None:
    """Returns until when (micros) free text may go from the brand's number to this one.

    0 when they only ever wrote to another number of ours; None when nothing is known of what they wrote, as of customers from
    before that was remembered: then the service decides.
    """
    brands, ours = context.rules.brands, brand.sends_from(address)
    written = [(slug, at) for number, slug, at in context.customer.whatsapp if number == address]
    if not written:
        return None
    last = max((at for slug, at in written if brands.get(slug).sends_from(address) == ours), default=None)
    return 0 if last is None else last + WHATSAPP_WINDOW_MICROS


def _filled(variables: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables with their places filled in, but for `{text}`: what does not fit goes in several messages."""
    return {name: _PLACE.sub(lambda place: values[place[1]], text) for name, text in variables.items()}


def _bare(value: str) -> str:
    """Returns a value on one line without braces: nobody is called `{text}`."""
    return printable_line(value).translate(_BRACES)
