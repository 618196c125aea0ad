"""Delivery reports that come back by mail: what another mail server says became of a mail of ours (RFC 3464). Pure.

| the report                                             | then                                                          |
|--------------------------------------------------------|---------------------------------------------------------------|
| about a mail of ours that names its ticket             | `DeliveryReported`, on that ticket's customer                 |
| about anything else, or without a recipient or verdict | None: it is a mail as any other, and the guards see to it     |

The returned mail names its ticket in its sender (`support+TICKET@`), its Message-ID or its subject. Whoever forges a report
can put such a fact beside a ticket whose id they know, and nothing else: no ticket is opened or changed, nobody is answered.
"""

from __future__ import annotations

from email.message import Message
from email.parser import BytesParser, Parser

from producers.mail import body as bodies
from producers.mail import headers as mime_headers
from schemas import identity
from schemas.events import DeliveryReported

__all__ = ["reported"]

#: The actions of RFC 3464 that say something about the mail.
_ACTIONS = frozenset(("failed", "delayed", "delivered", "relayed", "expanded"))
_MARK = b"delivery-status"
_LOOKED_AT = 200_000


def reported(raw: bytes, *, now: int, source: str = "") -> DeliveryReported | None:
    """The event of a mail that is a report about a mail of ours; None when it is not. `now` in micros."""
    if _MARK not in raw[:_LOOKED_AT].lower():
        return None
    mail = bodies.parse(raw)
    if mail.get_content_type() != "multipart/report" or not mail.is_multipart():
        return None
    status, returned = _status(mail), _returned(mail)
    if status is None or returned is None:
        return None
    recipient, action, code = status
    ours = mime_headers.of(returned)
    senders = [
        address for name in ("from", "reply-to", "sender") for _, address in mime_headers.addresses(ours.get(name, []))
    ]
    message_id = next(iter(mime_headers.ids(ours, "message-id", 1)), "")
    ticket = identity.ticket_in_mail(mime_headers.text(ours, "subject"), senders, [message_id] if message_id else [])
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


def _status(mail: Message) -> tuple[str, str, str] | None:
    """Recipient, action and status code of the first recipient that a verdict is told of."""
    for part in mail.walk():
        if part.get_content_type() != "message/delivery-status":
            continue
        for block in _blocks(part):
            action = str(block.get("Action", "")).strip().lower()
            told = str(block.get("Original-Recipient") or block.get("Final-Recipient") or "")
            found = mime_headers.addresses([told.rpartition(";")[2].strip()])
            if action in _ACTIONS and found:
                code = str(block.get("Status", "")).split()
                return found[0][1], action, code[0][:20] if code else ""
    return None


def _blocks(part: Message) -> list[Message]:
    payload = part.get_payload()
    if isinstance(payload, list):
        return [each for each in payload if isinstance(each, Message)]
    decoded = part.get_payload(decode=True)
    text = decoded.decode("utf-8", "replace") if isinstance(decoded, bytes) else ""
    return [Parser().parsestr(block, headersonly=True) for block in text.replace("\r\n", "\n").split("\n\n")]


def _returned(mail: Message) -> Message | None:
    """The mail that was returned, or its headers."""
    for part in mail.walk():
        kind, payload = part.get_content_type(), part.get_payload()
        if kind == "message/rfc822" and isinstance(payload, list) and payload and isinstance(payload[0], Message):
            return payload[0]
        if kind in ("text/rfc822-headers", "message/rfc822"):
            decoded = part.get_payload(decode=True)
            return BytesParser().parsebytes(decoded, headersonly=True) if isinstance(decoded, bytes) else None
    return None
