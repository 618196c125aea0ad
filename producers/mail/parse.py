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

from producers.mail import body as bodies
from producers.mail import charset_guess, mime
from producers.mail import headers as mail_headers
from producers.mail.attachments import File
from producers.mail.headers import Headers
from producers.mail.parser import Entity, read_headers
from producers.mail.part import Part
from producers.mail.quotes import read_marks
from schemas.errors import Refused

__all__ = ["Mail", "Report", "parse"]

#: Bytes that are looked at for the headers of a returned mail.
_MAX_RETURNED_BYTES = 200_000
_MAX_WORDS = 8_000
_STATUS_TYPES = ("message/delivery-status", "message/global-delivery-status")
_RETURNED_TYPES = ("message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers")


@dataclass(frozen=True, slots=True)
class Report:
    """The two machine-readable parts of a `multipart/report` (RFC 3462), international ones included (RFC 6533).

    blocks    the fields of the delivery status (RFC 3464): those of the whole report, then those of each recipient
    returned  the headers of the mail that the report is about
    feedback  the fields of a feedback report (RFC 5965), a complaint, which has no blocks
    words     the beginning of what the report says to people
    """

    blocks: tuple[Headers, ...]
    returned: Headers
    feedback: Headers = field(default_factory=dict)
    words: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """A parsed mail.

    raw      the bytes as they arrived
    headers  of the whole mail, undecoded; empty when there is none
    text     plain text of everything that a person reads, paragraphs apart
    files    what came along, in the order of the parts
    report   only of a mail that is a delivery report by its form
    problem  the reason why the bytes, or the parts below the headers, are no mail
    marked_text  the text with the marks that mailers left in HTML; for `producers.mail.quotes` only
    """

    raw: bytes
    headers: Headers = field(default_factory=dict)
    text: str = ""
    files: tuple[File, ...] = ()
    report: Report | None = None
    problem: Refused | None = None
    marked_text: str = ""


@charset_guess.at_most()
def parse(raw: bytes) -> Mail:
    """Returns the mail that any bytes are; what is no mail has a `problem`. Never raises."""
    try:
        message = mime.parse_mail(raw)
    except Refused as problem:
        return Mail(raw, problem=problem)
    headers, report = mail_headers.of(message), _report(message)
    try:
        body = bodies.read(message)
        marked = body.text()
        return Mail(raw, headers, read_marks(marked)[0], tuple(body.files), report, marked_text=marked)
    except Refused as problem:
        return Mail(raw, headers, report=report, problem=problem)


def _report(mail: Entity) -> Report | None:
    if mail.get_content_type() != "multipart/report" or not mail.is_multipart():
        return None
    blocks: list[Headers] = []
    returned: Headers | None = None
    feedback: Headers = {}
    words = ""
    for part in _walk(mail):
        kind = part.get_content_type()
        if kind == "text/plain" and not (words or blocks or returned):
            words = Part(part).content()[:_MAX_WORDS].decode("utf-8", "replace")
        elif kind in _STATUS_TYPES:
            blocks += map(mail_headers.of, part.children)
        elif kind == "message/feedback-report" and part.children and not feedback:
            feedback = mail_headers.of(part.children[0])
        elif kind in _RETURNED_TYPES and returned is None:
            returned = _returned(part)
    if returned is None or not (blocks or feedback):
        return None
    return Report(tuple(blocks), returned, {} if blocks else feedback, words)


def _walk(mail: Entity) -> Iterator[Entity]:
    """Yields a mail and all its parts in their order. The library's `walk` is recursive, and parts nest deeply."""
    waiting = [mail]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += reversed(part.children)


def _returned(part: Entity) -> Headers | None:
    if part.children:
        return mail_headers.of(part.children[0])
    try:
        return mail_headers.of(read_headers(Part(part).content()[:_MAX_RETURNED_BYTES]))
    except Refused:
        return None
