"""Parses the bytes of a mail once: everything else in `producers.mail` works on the `Mail` that it returns.

| from the `Mail`                       | by                                              |
|---------------------------------------|-------------------------------------------------|
| the contact of a customer             | `producers.mail.event.message_received`         |
| a bounce or another delivery report   | `producers.mail.reports.delivery_report`        |
| the bytes of the attachments          | `Mail.files`, each with its `content()`         |

TNEF containers, signed S/MIME content, calendars and attached mails are unwrapped here. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser

from producers.mail import body as bodies
from producers.mail import headers as mail_headers
from producers.mail import mime
from producers.mail.attachments import File
from producers.mail.headers import Headers
from schemas.errors import Refused

__all__ = ["Mail", "Report", "parse"]


@dataclass(frozen=True, slots=True)
class Report:
    """The two machine-readable parts of a `multipart/report` (RFC 3462, RFC 3464).

    blocks    the fields of the delivery status: those of the whole report, then those of each recipient
    returned  the headers of the mail that the report is about
    """

    blocks: tuple[Headers, ...]
    returned: Headers


@dataclass(frozen=True, slots=True)
class Mail:
    """A parsed mail.

    raw      the bytes as they arrived
    headers  of the whole mail, undecoded; empty when there is none
    text     plain text of everything that a person reads, paragraphs apart
    files    what came along, in the order of the parts
    report   only of a mail that is a delivery report by its form
    problem  the reason why the bytes, or the parts below the headers, are no mail
    """

    raw: bytes
    headers: Headers = field(default_factory=dict)
    text: str = ""
    files: tuple[File, ...] = ()
    report: Report | None = None
    problem: Refused | None = None


def parse(raw: bytes) -> Mail:
    """Returns the mail that any bytes are; what is no mail has a `problem`. Never raises."""
    try:
        message = mime.parse_mail(raw)
    except Refused as problem:
        return Mail(raw, problem=problem)
    headers, report = mail_headers.of(message), _report(message)
    try:
        body = bodies.read(message)
        return Mail(raw, headers, body.text(), tuple(body.files), report)
    except Refused as problem:
        return Mail(raw, headers, report=report, problem=problem)


def _report(mail: Message) -> Report | None:
    if mail.get_content_type() != "multipart/report" or not mail.is_multipart():
        return None
    blocks: list[Headers] = []
    returned: Headers | None = None
    for part in _walk(mail):
        kind = part.get_content_type()
        if kind == "message/delivery-status":
            blocks += map(mail_headers.of, _status_blocks(part))
        elif kind in ("message/rfc822", "text/rfc822-headers") and returned is None:
            returned = _returned(part)
    return Report(tuple(blocks), returned) if blocks and returned is not None else None


def _walk(mail: Message) -> Iterator[Message]:
    """Yields a mail and all its parts in their order. The library's `walk` is recursive, and parts nest deeply."""
    waiting = [mail]
    while waiting:
        part = waiting.pop()
        yield part
        payload = part.get_payload()
        if isinstance(payload, list):
            waiting += [child for child in reversed(payload) if isinstance(child, Message)]


def _status_blocks(part: Message) -> list[Message]:
    """Returns the blocks of fields; the library parses each of them into a message without a body."""
    payload = part.get_payload()
    return [each for each in payload if isinstance(each, Message)] if isinstance(payload, list) else []


def _returned(part: Message) -> Headers | None:
    payload = part.get_payload()
    if isinstance(payload, list) and payload and isinstance(payload[0], Message):
        return mail_headers.of(payload[0])
    decoded = part.get_payload(decode=True)
    if not isinstance(decoded, bytes):
        return None
    return mail_headers.of(BytesParser().parsebytes(decoded, headersonly=True))
