"""Recognises bounces and other delivery reports (RFC 3464), and complaints (RFC 5965), about our mails. Pure.

| the report                                                | then                                                   |
|-----------------------------------------------------------|--------------------------------------------------------|
| is about a mail of ours that names its ticket             | `DeliveryReported`, on that ticket's customer          |
| is about another mail, or names no recipient or no action | None: it is a mail as any other, for the loop guards   |

The returned mail names its ticket in its sender (`support+TICKET@`), its Message-ID or its subject. A forged report
can put such a fact beside a ticket whose id its author knows, and nothing else: no ticket is opened or changed, nobody
is answered. It suppresses no address either: the delivery sink believes only reports about a mail that it sent there.
"""

from __future__ import annotations

import re

from producers.mail import headers as mail_headers
from producers.mail.bounce_words import status_code
from producers.mail.headers import Headers
from producers.mail.parse import Mail, Report
from schemas import identity
from schemas.events import DeliveryReported

__all__ = ["delivery_report"]

#: The actions of RFC 3464.
_ACTIONS = frozenset(("failed", "delayed", "delivered", "relayed", "expanded"))
#: Feedback that is no complaint: the recipient took one back, or a receiver tells of a failed signature (RFC 6591).
_NO_COMPLAINTS = frozenset(("not-spam", "auth-failure"))
_MOST_RECIPIENTS, _LONGEST_PROOF, _LONGEST_CODE = 50, 64, 20
_TYPE = re.compile(r"[a-z][a-z-]{0,19}")
#: A character beyond ASCII in an address of the type `utf-8` (RFC 6533, section 3).
_ESCAPED = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")


def delivery_report(mail: Mail, *, now: int, source: str = "") -> DeliveryReported | None:
    """Returns the event of a report about a mail of ours, None for any other mail. `now` in microseconds."""
    if mail.report is None or (told := _told(mail.report)) is None:
        return None
    recipients, status, code = told
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
    address = recipients[0] if recipients else ""
    return DeliveryReported(
        event_id=identity.event_id("email-report", ticket, message_id, address, status),
        occurred_at=now,
        received_at=now,
        customer_tag=owner[0],
        channel="email",
        source=source,
        customer_id=identity.canonical_customer_id("email", address) if address else "",
        address=address,
        message_id=message_id or f"<ds.{ticket}.returned@unknown>",
        status=status,
        error_code=code,
        recipients=recipients,
        proof=mail_headers.text(returned, "x-report-proof")[:_LONGEST_PROOF],
    )


def _told(report: Report) -> tuple[list[str], str, str] | None:
    """Returns the recipients, the status and its code; None for a report that says nothing of a recipient."""
    found = _complaint(report.feedback) if report.feedback else _first_status(report.blocks, report.words)
    if found is None:
        return None
    recipients, status, code = found
    copied = [each for name in ("to", "cc") for _, each in mail_headers.addresses(report.returned.get(name, [])[:5])]
    if len(copied) == 1:  # a forwarding server names another address; the mail went to one only
        recipients += copied
    return list(dict.fromkeys(recipients))[:_MOST_RECIPIENTS], status, code


def _complaint(feedback: Headers) -> tuple[list[str], str, str] | None:
    kind = mail_headers.text(feedback, "feedback-type").lower()
    if not _TYPE.fullmatch(kind):
        return None
    recipients = [
        each for value in feedback.get("original-rcpt-to", [])[:_MOST_RECIPIENTS] for each in _addresses(value)
    ]
    return recipients, "feedback" if kind in _NO_COMPLAINTS else "complained", kind


def _first_status(blocks: tuple[Headers, ...], words: str) -> tuple[list[str], str, str] | None:
    """Returns the first recipient for whom the report names an action, and others for whom it names the same one."""
    recipients: list[str] = []
    status = code = ""
    for block in blocks:
        action = mail_headers.text(block, "action").lower()
        found = [
            each
            for name in ("original-recipient", "final-recipient")
            for value in block.get(name, [])[:1]
            for each in _addresses(value.rpartition(";")[2])
        ]
        if action not in _ACTIONS or not found or (status and action != status):
            continue
        recipients += found
        if not status:
            status, code = action, _code(block, words)
    return (recipients, status, code) if status else None


def _addresses(value: str) -> list[str]:
    value = _ESCAPED.sub(lambda found: _character(found[1]), value.strip())
    return [address for _, address in mail_headers.addresses([value])]


def _character(digits: str) -> str:
    code = int(digits, 16)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else ""


def _code(block: Headers, words: str) -> str:
    """Returns the status code of a recipient; where it is general, what the server's answer or the report's text means."""
    code = next(iter(mail_headers.text(block, "status").split()), "")[:_LONGEST_CODE]
    return status_code(code, mail_headers.text(block, "diagnostic-code"), words)
