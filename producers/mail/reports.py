"""Recognises bounces and other delivery reports (RFC 3464), which mail servers return for our mails. Pure.

| the report                                                | then                                                   |
|-----------------------------------------------------------|--------------------------------------------------------|
| is about a mail of ours that names its ticket             | `DeliveryReported`, on that ticket's customer          |
| is about another mail, or names no recipient or no action | None: it is a mail as any other, for the loop guards   |

The returned mail names its ticket in its sender (`support+TICKET@`), its Message-ID or its subject. A forged report
can put such a fact beside a ticket whose id its author knows, and nothing else: no ticket is opened or changed, nobody
is answered.
"""

from __future__ import annotations

from producers.mail import headers as mail_headers
from producers.mail.parse import Mail, Report
from schemas import identity
from schemas.events import DeliveryReported

__all__ = ["delivery_report"]

#: The actions of RFC 3464.
_ACTIONS = frozenset(("failed", "delayed", "delivered", "relayed", "expanded"))


def delivery_report(mail: Mail, *, now: int, source: str = "") -> DeliveryReported | None:
    """Returns the event of a report about a mail of ours, None for any other mail. `now` in microseconds."""
    if mail.report is None or (status := _first_status(mail.report)) is None:
        return None
    recipient, action, code = status
    returned = mail.report.returned
    senders = [
        address
        for name in ("from", "reply-to", "sender")
        for _, address in mail_headers.addresses(returned.get(name, []))
    ]
    message_id = next(iter(mail_headers.ids(returned, "message-id", 1)), "")
    ticket = identity.ticket_in_mail(
        mail_headers.text(returned, "subject"), senders, [message_id] if message_id else []
    )
    owner = identity.split_ticket_id(ticket)
    if owner is None:
        return None
    return DeliveryReported(
        event_id=identity.event_id("email-report", ticket, message_id, recipient, action),
        occurred_at=now,
        received_at=now,
        customer_tag=owner[0],
        channel="email",
        source=source,
        customer_id=identity.canonical_customer_id("email", recipient),
        address=recipient,
        message_id=message_id or f"<ds.{ticket}.returned@unknown>",
        status=action,
        error_code=code,
    )


def _first_status(report: Report) -> tuple[str, str, str] | None:
    """Returns recipient, action and status code of the first recipient for whom the report names an action."""
    for block in report.blocks:
        action = mail_headers.text(block, "action").lower()
        recipient = (block.get("original-recipient") or block.get("final-recipient") or [""])[0]
        found = mail_headers.addresses([recipient.rpartition(";")[2].strip()])
        if action in _ACTIONS and found:
            code = mail_headers.text(block, "status").split()
            return found[0][1], action, code[0][:20] if code else ""
    return None
