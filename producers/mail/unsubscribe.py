"""Recognises mails by which a recipient unsubscribes from surveys: those that `List-Unsubscribe` asks mail programs to send. Pure.

| the mail                                                                  | then                                            |
|---------------------------------------------------------------------------|-------------------------------------------------|
| is to `support+TOKEN@`, its subject is `unsubscribe` and the mail's name  | `DeliveryReported`, `unsubscribed`, no contact  |
| has another subject, or names no ticket with a valid token                | None: it is a mail as any other                 |

The delivery sink believes it when the sender is the recipient of that very mail.
"""

from __future__ import annotations

from producers.mail import headers as mail_headers
from producers.mail.parse import Mail
from schemas import identity, unsubscribe_link
from schemas.events import DeliveryReported

__all__ = ["UNSUBSCRIBED", "unsubscribed", "unsubscription"]

UNSUBSCRIBED = "unsubscribed"
_MOST_RECIPIENTS = 20


def unsubscription(mail: Mail, *, now: int, source: str = "") -> DeliveryReported | None:
    """Returns the event of a mail that unsubscribes its sender, None for any other. `now` in microseconds."""
    subject = mail_headers.text(mail.headers, "subject")
    if subject.lstrip()[:11].lower() != "unsubscribe":
        return None
    senders = mail_headers.addresses(mail.headers.get("from", [])[:1])
    for header in ("to", "delivered-to", "x-original-to", "envelope-to"):
        for _, address in mail_headers.addresses(mail.headers.get(header, [])[:_MOST_RECIPIENTS]):
            ticket = identity.ticket_in_mail("", [address], [])
            domain = address.rpartition("@")[2].lower()
            if ticket and senders and (message_id := unsubscribe_link.message_id_of(subject, ticket, domain)):
                return unsubscribed(ticket, message_id, senders[0][1], now=now, source=source)
    return None


def unsubscribed(ticket: str, message_id: str, address: str, *, now: int, source: str = "") -> DeliveryReported | None:
    """Returns the event that says that the recipient of a mail wants no more surveys."""
    owner = identity.split_ticket_id(ticket)
    if owner is None:
        return None
    return DeliveryReported(
        event_id=identity.event_id("unsubscribed", message_id, address.lower()),
        occurred_at=now,
        received_at=now,
        customer_tag=owner[0],
        channel="email",
        source=source,
        customer_id=identity.canonical_customer_id("email", address),
        address=address,
        message_id=message_id,
        status=UNSUBSCRIBED,
        recipients=[address],
    )
