"""Builds what a survey sends: the invitation and the thank-you, which go where answers of ours go."""

from __future__ import annotations

from schemas import unsubscribe_link
from schemas.brands import Brand
from schemas.events import LOCALES
from schemas.facts import Outbound
from schemas.identity import event_id, mail_message_id
from schemas.unsubscribe_link import UnsubscribeLink
from stream_processors.rules.surveys import Written
from stream_processors.tickets.acknowledge import MAIL_CHANNELS, carrier, reply_subject
from stream_processors.tickets.brand_voice import sent_by
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.progress import instead_of_chat, threading
from stream_processors.tickets.state import Customer, Episode, Ticket
from stream_processors.tickets.trust import name_for

__all__ = ["locale_of", "outbound", "way_to"]

#: What it is → the kind of the outbound message.
_KINDS = {"invitation": "survey", "thanks": "thanks"}


def way_to(customer: Customer, ticket: Ticket) -> tuple[str, str]:
    """Returns `(channel, address)` that a message about the ticket takes."""
    channel = carrier(ticket.channel, ticket.request.address)
    if channel == "chat" and (mailbox := instead_of_chat(customer, ticket)):
        return "email", mailbox
    return channel, ticket.request.address


def locale_of(*known: str) -> str:
    """Returns the first of these languages that we write, or English."""
    return next((each for each in known if each in LOCALES), "en")


def outbound(
    context: FoldContext,
    episode: Episode,
    ticket: Ticket | None,
    what: str,
    way: tuple[str, str],
    locale: str,
    written: Written,
) -> Outbound:
    """Returns the message about an episode, whose ticket may be gone; `what` is `invitation` or `thanks`."""
    (channel, address), identity, brand = way, episode.ticket_id, context.rules.brands.get(episode.brand)
    mail, kind = channel in MAIL_CHANNELS, _KINDS[what]
    name, unique = name_for(context.customer, ticket, address), f"{kind}.{episode.number}"
    message_id = mail_message_id(identity, unique, brand.mail_domain) if mail else ""
    sender = sent_by(context, brand, mail=mail, address=address, ticket=identity, kind=kind, locale=locale, name=name)
    headers = _headers(ticket, brand) if mail else {}
    if mail:
        link = UnsubscribeLink(identity, message_id, address)
        headers |= _unsubscribe(context, link, unique, sender["sender"])
    return Outbound(
        **context.fact_header(episode),
        outbound_id=event_id(f"survey-{what}", identity, str(episode.number)),
        ticket_id=identity,
        kind=kind,
        channel=channel,
        address=address,
        customer_name=name,
        subject=reply_subject(written.subject, identity).removeprefix("Re: ") if mail else "",
        text=written.text,
        locale=locale,
        message_id=message_id,
        thread_id=ticket.conversation.thread_ids[-1] if ticket and ticket.conversation.thread_ids else "",
        headers=headers,
        causation_depth=context.event.causation_depth + 1,
        **sender,
    )


def _headers(ticket: Ticket | None, brand: Brand) -> dict[str, str]:
    """Part of the customer's thread, and nothing that a machine is to answer."""
    automatic = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All", "X-Loop": brand.address}
    return {**(threading(ticket) if ticket else {}), **automatic}


def _unsubscribe(context: FoldContext, link: UnsubscribeLink, unique: str, answers_to: str) -> dict[str, str]:
    """A way to get no more of these: nobody asked for them."""
    base, secrets = context.signing or ("", ())
    return unsubscribe_link.headers(link, unique, answers_to, base, secrets)
