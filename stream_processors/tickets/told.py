"""Chooses what an acknowledgement is written from: all that is known of a verified customer, of others what they just said.

An unverified contact with somebody's address must not learn their name, their order, what else they wrote about, how they
scored us, or which language and time zone they have: it may come from anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from schemas.events import CallEnded, MessageReceived
from stream_processors.text.language import detect
from stream_processors.tickets import trust
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.state import Ticket

__all__ = ["Told", "told_to"]


class Told(NamedTuple):
    """Holds what an acknowledgement may say of the customer and the ticket."""

    name: str
    order_number: str
    time_zone: str
    language: str
    tags: tuple[str, ...]
    dissatisfied: bool


def told_to(context: FoldContext, ticket: Ticket, event: MessageReceived | CallEnded) -> Told:
    """Returns what the sender of a contact may be told."""
    customer, request = context.customer, ticket.request
    if trust.may_be_told(customer, event):
        return Told(
            getattr(event, "customer_name", "") or customer.name,
            request.order_number,
            request.time_zone,
            ticket.language,
            ticket.tags,
            request.dissatisfied,
        )
    reading = context.reading
    order_number, dissatisfied = _said(event, "order_number"), False
    tags: tuple[str, ...] = ()
    if reading is not None:
        order_number = order_number or reading.order_number
        tags = tuple(match.slug for match in reading.matches if match.slug in ticket.tags)
        dissatisfied = bool(reading.dissatisfied)
    language = _language(context, ticket, event, _said(event, "language"))
    return Told(_said(event, "customer_name"), order_number, _said(event, "time_zone"), language, tags, dissatisfied)


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
