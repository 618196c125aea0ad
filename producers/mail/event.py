"""Turns a parsed mail into the `MessageReceived` of its customer.

`producers.mail.parse` finds what is in the mail, `producers.mail.quotes` what the customer wrote now.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from producers.mail import authentication, charset_guess, charsets, quotes
from producers.mail import headers as mail_headers
from producers.mail.attachments import File
from producers.mail.headers import Headers
from producers.mail.parse import Mail, parse
from producers.text import privacy
from producers.text.locales import locale_hint
from schemas import identity
from schemas.errors import Refused
from schemas.events import Attachment, MessageReceived

__all__ = ["CHANNEL", "MAX_FULL_TEXT", "MAX_TEXT", "check_size", "mail_event_id", "message_received", "normalise"]

CHANNEL = "email"
#: Characters kept of the new words, and of the whole text.
MAX_TEXT, MAX_FULL_TEXT = 100_000, 200_000
MAX_MAIL_BYTES = 25_000_000
#: Subjects of forwarded mails: the text below a block of mail headers is the content.
_FORWARDED = re.compile(r"\s*(?:fwd?|wg|tr|转发|轉寄|轉發|転送)\s*[:：]", re.IGNORECASE)
_MAX_SUBJECT, _MAX_HEADER, _MAX_IDS, _MAX_RECIPIENTS = 1000, 500, 100, 50

#: Headers that the loop guards read, beside the content type of a report.
GUARD_HEADERS = frozenset(
    (
        "auto-submitted",
        "feedback-id",
        "list-id",
        "list-post",
        "list-unsubscribe",
        "precedence",
        "return-path",
        "sender",
        "x-auto-reply-from",
        "x-auto-response-suppress",
        "x-autoreply",
        "x-autorespond",
        "x-autoresponder",
        "x-failed-recipients",
        "x-loop",
        "x-spam-flag",
    )
)
_MAIL_HEADERS = frozenset(
    ("from", "to", "subject", "date", "message-id", "received", "mime-version", "sender", "return-path", "reply-to")
)
_RECIPIENT_HEADERS = ("to", "cc", "delivered-to", "x-original-to", "envelope-to")


def normalise(
    raw: bytes,
    *,
    now: int,
    source: str = "",
    imported: bool = False,
    max_bytes: int = MAX_MAIL_BYTES,
    servers: Collection[str] = (),
) -> MessageReceived:
    """Returns the event of the raw bytes of a mail that is no delivery report. `now` in microseconds.

    Raises:
        Refused: `too_large`, or as `message_received`.
    """
    check_size(raw, max_bytes)
    return message_received(parse(raw), now=now, source=source, imported=imported, servers=servers)


def check_size(raw: bytes, max_bytes: int) -> None:
    """Refuses a mail that is too large to be parsed.

    Raises:
        Refused: `too_large`.
    """
    if len(raw) > max_bytes:
        raise Refused("too_large", f"the mail has {len(raw)} bytes, the limit is {max_bytes}")


@charset_guess.at_most()
def message_received(
    mail: Mail, *, now: int, source: str = "", imported: bool = False, servers: Collection[str] = ()
) -> MessageReceived:
    """Returns the event of a mail. `now` is the pipeline's time in microseconds, `servers` the names of our mail servers.

    A live mail happened when it was received; an imported one when its Date header (else the newest Received
    header) says, never later than `now`. The attachments are listed in the order of `mail.files`.

    Raises:
        Refused: `empty`, `undecodable_mime` (no mail header, or nested without end), `no_sender`.
    """
    headers = mail.headers
    if not _MAIL_HEADERS.intersection(headers):
        raise mail.problem or Refused("undecodable_mime", "there is no mail header in it")
    name, sender = _sender(headers)
    if mail.problem is not None:
        raise mail.problem
    subject = privacy.mask(mail_headers.text(headers, "subject")[: _MAX_SUBJECT + privacy.MARGIN])[:_MAX_SUBJECT]
    full_text = privacy.mask(charsets.clean(mail.text).strip()[: MAX_FULL_TEXT + privacy.MARGIN])
    text = quotes.newest_part(full_text[:MAX_FULL_TEXT], forwarded=_FORWARDED.match(subject) is not None)

    message_id = mail_headers.ids(headers, "message-id", 1)
    references = mail_headers.ids(headers, "references", _MAX_IDS)
    in_reply_to = mail_headers.ids(headers, "in-reply-to", 1)
    recipients = _recipients(headers)
    customer_id = identity.canonical_customer_id("email", sender)
    ticket = identity.ticket_in_mail(subject, recipients, [*references, *in_reply_to])
    owner = identity.split_ticket_id(ticket)
    sent_at, time_zone = _sent(headers, now)
    return MessageReceived(
        event_id=mail_event_id(message_id[0], sender) if message_id else identity.event_id("email-raw", mail.raw),
        occurred_at=min(sent_at or _received_at(headers, now) or now, now) if imported else now,
        received_at=now,
        customer_tag=owner[0] if owner else identity.customer_tag(customer_id),
        channel=CHANNEL,
        source=source,
        imported=imported,
        customer_id=customer_id,
        address=(address := _answer_to(headers) or sender),
        customer_name=privacy.mask(name),
        subject=subject,
        text=text[:MAX_TEXT],
        full_text=full_text[:MAX_FULL_TEXT],
        ticket_ref=ticket,
        message_id=message_id[0] if message_id else "",
        in_reply_to=in_reply_to[0] if in_reply_to else "",
        references=references,
        recipients=recipients,
        headers=_guard_headers(headers),
        attachments=[_attachment(file) for file in mail.files],
        language=locale_hint(
            mail_headers.text(headers, "content-language") or mail_headers.text(headers, "accept-language")
        ),
        time_zone=time_zone,
        sent_at=sent_at,
        fields={"truncated": "text"} if len(text) > MAX_TEXT or len(full_text) > MAX_FULL_TEXT else {},
        verified=authentication.verified(headers, sender, servers),
        sender=sender if address.lower() != sender.lower() else "",
    )


def mail_event_id(message_id: str, sender: str) -> str:
    """Returns the event id of a mail with a Message-ID. The sender is part of it: nobody can use up another's Message-ID."""
    return identity.event_id("email", message_id, sender.lower())


def _sender(headers: Headers) -> tuple[str, str]:
    """Returns `(name, address)` of who wrote it: the first usable of From, Sender, Reply-To, Return-Path."""
    for header in ("from", "sender", "reply-to", "return-path"):
        for name, address in mail_headers.addresses(headers.get(header, [])[:3]):
            return name, address
    raise Refused(
        "no_sender",
        f"no address in From, Sender, Reply-To or Return-Path ({mail_headers.text(headers, 'from')[:100]!r})",
    )


def _answer_to(headers: Headers) -> str:
    for _, address in mail_headers.addresses(headers.get("reply-to", [])[:3]):
        return address
    return ""


def _recipients(headers: Headers) -> list[str]:
    found: dict[str, None] = {}
    for header in _RECIPIENT_HEADERS:
        for _, address in mail_headers.addresses(headers.get(header, [])[:20]):
            found.setdefault(address.lower() if "+" not in address else address)
            if len(found) >= _MAX_RECIPIENTS:
                return list(found)
    return list(found)


def _guard_headers(headers: Headers) -> dict[str, str]:
    found = {name: mail_headers.text(headers, name)[:_MAX_HEADER] for name in headers if name in GUARD_HEADERS}
    content_type = headers.get("content-type", [""])[0].lower()
    if "report" in content_type or "delivery-status" in content_type or "disposition-notification" in content_type:
        found["content-type"] = mail_headers.text(headers, "content-type")[:_MAX_HEADER]
    return found


def _sent(headers: Headers, now: int) -> tuple[int | None, str]:
    """Returns the time of the Date header in microseconds, and the zone of its offset (`Etc/GMT-9` is nine hours east)."""
    moment, offset = mail_headers.date(headers.get("date", [""])[0], now)
    if moment is None or not offset or offset % 3600 or not -12 <= offset // 3600 <= 14:
        return moment, ""
    return moment, f"Etc/GMT{-offset // 3600:+d}"


def _received_at(headers: Headers, now: int) -> int | None:
    return mail_headers.date(headers.get("received", [""])[0].rpartition(";")[2], now)[0]


def _attachment(file: File) -> Attachment:
    return Attachment(name=privacy.mask(file.name), media_type=file.media_type, size_bytes=file.size)
