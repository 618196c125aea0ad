"""Chooses what an acknowledgement is written from: all that is known of a verified customer, of others what they just said.

An unverified contact with somebody's address must not learn their name, their order, what else they wrote about, how they
scored us, or which language and time zone they have: it may come from anybody.

Nor does an address that did not prove itself learn what the contact said, or we would be somebody's relay: what goes to a
mailbox or a telephone has a fixed subject then, and neither names nor words nor links. An answer that stays in the chat or the
network where it was asked for reaches who wrote it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from schemas.events import UNVERIFIED, CallEnded, MessageReceived
from stream_processors.text.language import detect
from stream_processors.tickets import trust
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.state import Ticket

__all__ = ["Told", "told_to"]


#: Channels on which an answer goes to whatever address somebody gave.
_TO_STRANGERS = frozenset(("email", "form", "in_person", "sms"))


class Told(NamedTuple):
    """Holds what an acknowledgement may say of the customer and the ticket; `fixed`: none of the sender's own words.

    tier, contacts  of a verified customer: what the directory calls them, and how many tickets they had before this contact
    """

    name: str
    subject: str
    order_number: str
    time_zone: str
    language: str
    tags: tuple[str, ...]
    dissatisfied: bool
    fixed: bool = False
    tier: str = ""
    contacts: int | None = None


def told_to(context: FoldContext, ticket: Ticket, event: MessageReceived | CallEnded, carrier: str) -> Told:
    """Returns what the sender of a contact may be told; `carrier` is the channel that takes the answer."""
    customer, request = context.customer, ticket.request
    subject = getattr(event, "subject", "")
    if trust.may_be_told(customer, event):
        return Told(
            getattr(event, "customer_name", "") or customer.name,
            subject,
            request.order_number,
            request.time_zone,
            ticket.language,
            ticket.tags,
            request.dissatisfied,
            tier=customer.tier,
            contacts=customer.next_number - 2 + (ticket.episode > 1),
        )
    reading = context.reading
    order_number, dissatisfied = _said(event, "order_number"), False
    tags: tuple[str, ...] = ()
    if reading is not None:
        order_number = order_number or reading.order_number
        tags = tuple(match.slug for match in reading.matches if match.slug in ticket.tags)
        dissatisfied = bool(reading.dissatisfied)
    language = _language(context, ticket, event, _said(event, "language"))
    time_zone = _said(event, "time_zone")
    if carrier in _TO_STRANGERS and not _wrote_from_there(event):
        return Told("", "", "", time_zone, language, (), dissatisfied, fixed=True)
    return Told(_said(event, "customer_name"), subject, order_number, time_zone, language, tags, dissatisfied)


def _wrote_from_there(event: MessageReceived | CallEnded) -> bool:
    """Returns true when it is proved that whoever is answered wrote: by the sender's domain, or because the number sent it."""
    if event.channel == "sms":
        return True
    return event.verified != UNVERIFIED and trust.reaches_sender(event.customer_id, event)


def _said(event: MessageReceived | CallEnded, name: str) -> str:
    """Returns a field of a contact as its sender said it, '' where the directory filled it in."""
    filled: Sequence[str] = getattr(event, "directory", ())
    said: str = getattr(event, name, "")
    return "" if name in filled else said


def _language(context: FoldContext, ticket: Ticket, event: MessageReceived | CallEnded, said: str) -> str:
    """Returns the language of a contact by itself: that of the ticket, unless something stored may have decided it."""
    if context.opened and said == event.language and (said or not context.before.language):
        return ticket.language
    if isinstance(event, MessageReceived):
        return detect(f"{event.text} {event.subject}" if event.subject else event.text, said)
    return detect(event.transcript, said)
