"""Sends a prewritten answer to the customer: an automatic one, which stops no clock and which no machine gets."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from schemas.facts import Outbound
from schemas.identity import mail_message_id
from schemas.replies.answers import PLACEHOLDER
from stream_processors.rules.automations import filled
from stream_processors.rules.loop_guards import REMEMBERED
from stream_processors.tickets.acknowledge import KEPT_MESSAGE_IDS, MAIL_CHANNELS, answered_post, reply_subject
from stream_processors.tickets.brand_voice import sent_by
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.progress import threading
from stream_processors.tickets.state import SentAcknowledgement, Ticket
from stream_processors.tickets.surveys.message import locale_of, way_to
from stream_processors.tickets.trust import is_own, name_for

__all__ = ["REASONS", "send"]

#: Why an answer was withheld.
REASONS = (
    "closed",
    "public",  # others would read it
    "no_address",
    "machine",
    "opted_out",
    "causation_depth",
    "rate_cap",
    "incomplete",  # it names something that is not known, or may not be told
)


def send(
    context: FoldContext, ticket: Ticket, outbound_id: str, texts: Mapping[str, str]
) -> tuple[FoldContext, Ticket, str, str]:
    """Returns the context with the message, the ticket with its Message-ID, why it was withheld, and what it says."""
    customer = context.customer
    channel, address = way_to(customer, ticket)
    if reason := _withheld(context, ticket, address):
        return context, ticket, reason, ""
    locale = locale_of(ticket.language, customer.language)
    written = texts.get(locale) or texts.get("en", "")
    brand = context.rules.brands.get(ticket.brand)
    identity, name = ticket.id_at(context.event.customer_tag), name_for(customer, ticket, address)
    values = {
        "name": name,
        "ticket": identity,
        "brand": brand.name,
        "order_number": ticket.request.order_number if is_own(customer, ticket) else "",
    }
    if any(not values.get(each) for each in PLACEHOLDER.findall(written)) or not written:
        return context, ticket, "incomplete", ""
    text, mail = filled(written, values), channel in MAIL_CHANNELS
    automatic = {"Auto-Submitted": "auto-replied", "X-Auto-Response-Suppress": "All", "X-Loop": brand.address}
    outbound = Outbound(
        **context.fact_header(ticket),
        outbound_id=outbound_id,
        ticket_id=identity,
        kind="answer",
        channel=channel,
        address=address,
        customer_name=name,
        subject=reply_subject(ticket.request.subject, identity) if mail else "",
        text=text,
        locale=locale,
        message_id=mail_message_id(identity, outbound_id, brand.mail_domain) if mail else "",
        thread_id=ticket.conversation.thread_ids[-1] if ticket.conversation.thread_ids else "",
        headers={**threading(ticket), **automatic} if mail else answered_post(channel, ticket),
        causation_depth=context.event.causation_depth + 1,
        **sent_by(context, brand, mail=mail, address=address, ticket=identity, kind="answer", locale=locale, name=name),
    )
    if outbound.message_id:
        message_ids = (*ticket.conversation.message_ids, outbound.message_id)[-KEPT_MESSAGE_IDS:]
        ticket = replace(ticket, conversation=replace(ticket.conversation, message_ids=message_ids))
    sent = (*customer.acknowledgements, SentAcknowledgement(context.now, 0))[-REMEMBERED:]
    context = context.replace(customer=replace(customer, acknowledgements=sent))
    return context.write(outbound), ticket, "", text


def _withheld(context: FoldContext, ticket: Ticket, address: str) -> str:
    guards, customer = context.rules.guards, context.customer
    if ticket.status == "closed":
        return "closed"
    if ticket.request.public:
        return "public"
    if not address:
        return "no_address"
    if ticket.request.opened_by_machine or guards.machine(address, {}):
        return "machine"
    if customer.wants_nothing_at(address):
        return "opted_out"
    return guards.repeated(context.event.causation_depth, customer, context.now)
