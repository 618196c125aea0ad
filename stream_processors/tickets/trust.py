"""Decides who takes part in a ticket, where a contact is answered, and what its sender may be told.

Anybody can write somebody else's address into a mail, a form or a chat, and whoever is sent a mail of ours can pass on its
ticket token. So, unless it is verified that the customer wrote (`schemas.events.VERIFICATIONS`):

- An answer that is written by itself tells nothing but what the contact says. Stored names, order numbers, topics and scores
  are for a verified customer, on a way that leads to nobody else.
- The Reply-To of a mail is not believed where the customer is known already: the answer goes to the sender.
- Whoever knows the token of somebody else's ticket takes no part in it. The customer, whom they were merged with, who opened
  the ticket, and whom the customer's verified mails were sent to, do.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from schemas.events import UNVERIFIED, CallEnded, MessageReceived
from schemas.identity import canonical_customer_id, customer_tag, is_tag_of
from stream_processors.tickets.state import Customer, Ticket

__all__ = [
    "KEPT_PARTICIPANTS",
    "MAIL",
    "answered_at",
    "brought_in",
    "is_customer",
    "is_own",
    "may_be_told",
    "may_rename",
    "name_for",
    "reaches_sender",
    "takes_part",
]

#: Customer tags that a ticket remembers as taking part in it: the last ones.
KEPT_PARTICIPANTS = 20
#: Channels whose answers go to a mailbox or number, so that nobody else reads them, whoever wrote.
_TO_ADDRESS = frozenset(("email", "form", "in_person", "sms", "phone", "voicemail"))
#: Channels on which answers go to a mailbox that the sender names.
MAIL = frozenset(("email", "form", "in_person"))
_WHATSAPP = "whatsapp:"

Contact = MessageReceived | CallEnded


def is_customer(customer: Customer, event: Contact) -> bool:
    """Returns true when the contact is the customer's in whose log it stands, not that of somebody who knows a ticket."""
    return customer.goes_by(event.customer_id) or is_tag_of(event.customer_tag, event.customer_id)


def takes_part(customer: Customer, ticket: Ticket, event: Contact) -> bool:
    """Returns true when the sender of a contact that names the ticket may go on with it."""
    if event.imported or is_customer(customer, event):  # a history says who wrote what
        return True
    sender = _sender(event)
    if not sender:
        return False
    if _same(sender, ticket.request.address):
        return True
    own = _mailbox(sender)  # where the directory gave the customer another id
    others = ticket.conversation.participants
    return is_tag_of(event.customer_tag, own) or customer.goes_by(own) or any(is_tag_of(each, own) for each in others)


def answered_at(customer: Customer, event: MessageReceived, found: Ticket | None) -> MessageReceived:
    """Returns the message with the address that it is answered at: the sender's, where its Reply-To is not believed."""
    if event.verified != UNVERIFIED or event.imported or "@" not in event.address:
        return event
    kind, _, value = event.customer_id.partition(":")
    sender = event.sender or (value if kind == "email" else "")
    if not sender or _same(sender, event.address) or not _is_known(customer):
        return event
    if found is None and not is_customer(customer, event):
        return event  # it goes on to the log of its sender
    return replace(event, address=sender)


def brought_in(ticket: Ticket, event: MessageReceived, is_ours: Callable[[str], bool]) -> tuple[str, ...]:
    """Returns the participants of the ticket, with those whom a verified mail of the customer was sent to as well."""
    known = ticket.conversation.participants
    if event.verified == UNVERIFIED or event.channel != "email":
        return known
    others = (each.lower() for each in event.recipients if not is_ours(each))
    new = [tag for each in others if (tag := customer_tag(_mailbox(each))) not in known]
    return tuple(dict.fromkeys((*known, *new)))[-KEPT_PARTICIPANTS:] if new else known


def reaches_sender(customer_id: str, event: Contact) -> bool:
    """Returns true when the answer to a contact reaches whoever the contact says it is from, and nobody else."""
    if event.channel not in MAIL:
        return _is_own(customer_id, event.address, event.channel)
    if sender := getattr(event, "sender", ""):
        return _same(sender, event.address)
    kind, _, value = customer_id.partition(":")
    return kind != "email" or event.verified != UNVERIFIED or _same(value, event.address)


def is_own(customer: Customer, ticket: Ticket) -> bool:
    """Returns true when an answer to the ticket reaches the customer and nobody else."""
    return ticket.request.verified != UNVERIFIED or _is_own(
        customer.customer_id, ticket.request.address, ticket.channel
    )


def may_be_told(customer: Customer, event: Contact) -> bool:
    """Returns true when the automatic answer to a contact may name what is stored of the customer."""
    if event.verified == UNVERIFIED or getattr(event, "public", False) or not is_customer(customer, event):
        return False
    return event.channel not in MAIL or reaches_sender(event.customer_id, event)


def may_rename(customer: Customer, event: MessageReceived) -> bool:
    """Returns false for who writes another name into a contact without proof: agents' answers and surveys show it."""
    return not customer.name or event.verified != UNVERIFIED or event.imported or "customer_name" in event.directory


def name_for(customer: Customer, ticket: Ticket | None, address: str) -> str:
    """Returns the customer's name as a message that goes to `address` may show it, '' when it may not.

    The ticket that it is about may be gone.
    """
    if not customer.name or (ticket is not None and address == ticket.request.address and is_own(customer, ticket)):
        return customer.name
    return customer.name if "@" in address and customer.goes_by(_mailbox(address)) else ""


def _is_own(customer_id: str, address: str, channel: str) -> bool:
    """Returns true for the address that the customer is known by, where an answer goes to it and not to who wrote."""
    kind, _, value = customer_id.partition(":")
    if kind in ("email", "tel"):
        return channel in _TO_ADDRESS and _same(value, address.removeprefix(_WHATSAPP))
    return address in (value, customer_id)


def _sender(event: Contact) -> str:
    """Returns the mailbox that wrote a mail or a form, '' elsewhere."""
    if event.channel not in MAIL:
        return ""
    kind, _, value = event.customer_id.partition(":")
    return getattr(event, "sender", "") or (value if kind == "email" else event.address)


def _is_known(customer: Customer) -> bool:
    return bool(customer.customer_id or customer.tickets or customer.name) or customer.next_number > 1


def _mailbox(address: str) -> str:
    return canonical_customer_id("email", address)


def _same(one: str, other: str) -> bool:
    return one == other or one.lower() == other.lower()
