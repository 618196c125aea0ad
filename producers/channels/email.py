"""A mail of any quality, as raw bytes, to a `MessageReceived`.

The standard library's parser is used with its `compat32` policy: it takes anything and parses no header that is not
asked for. Headers are decoded here, because what real mailers send (encoded words cut inside a character, raw bytes,
a whole address inside an encoded word) is outside of what the modern policy accepts without raising.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import email
import email.policy
import quopri
import re
from calendar import timegm
from dataclasses import dataclass, field
from email.message import Message
from email.utils import getaddresses, parsedate_tz

from producers import charsets, markup, privacy, replies
from producers.locales import locale_hint
from schemas import identity
from schemas.clock import MICROS
from schemas.errors import Refused
from schemas.events import Attachment, MessageReceived

__all__ = ["CHANNEL", "MAX_FULL_TEXT", "MAX_TEXT", "normalise"]

CHANNEL = "email"
#: Characters kept of what they wrote now, and of everything.
MAX_TEXT, MAX_FULL_TEXT = 100_000, 200_000
MAX_MAIL_BYTES = 25_000_000
_MAX_SUBJECT, _MAX_HEADER, _MAX_IDS, _MAX_RECIPIENTS, _MAX_ATTACHMENTS = 1000, 500, 100, 50, 100
_MAX_DEPTH, _MAX_PARTS = 30, 500

#: What the loop guards read, beside the content type of a report.
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
_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*)\?=")
_FOLD = re.compile(r"[\r\n]+[ \t]*|[\t\u3000]")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,300}>")
_SIMPLE_ADDRESS = re.compile(r'^\s*(?:"?([^"<>@,;:\\]*?)"?\s*)<\s*([^<>\s@,;"]+@[^<>\s@,;"]+)\s*>\s*$')
_ADDRESS = re.compile(r"^[^\s<>@,;:\"()\[\]\\]{1,64}@[^\s<>@,;:\"()\\]{1,253}$")
_META_CHARSET = re.compile(
    rb"<meta[^>]{0,200}charset\s{0,3}=\s{0,3}[\"']?\s{0,3}([a-zA-Z0-9_.:-]{1,40})", re.IGNORECASE
)
_EARLIEST = 631152000  # 1990-01-01: mail dated before that has a broken clock
_TWO_DAYS = 2 * 86400

Headers = dict[str, list[str]]


def normalise(
    raw: bytes, *, now: int, source: str = "", imported: bool = False, max_bytes: int = MAX_MAIL_BYTES
) -> MessageReceived:
    """The event of a mail. `now` is the pipeline's time in microseconds.

    A live mail happened when it was received; an imported one when its Date header (else the newest Received
    header) says, never later than `now`.

    Raises:
        Refused: `empty`, `too_large`, `undecodable_mime` (no mail header, or nested without end), `no_sender`.
    """
    if len(raw) > max_bytes:
        raise Refused("too_large", f"the mail has {len(raw)} bytes, the limit is {max_bytes}")
    mail = _parse(raw)
    headers = _headers(mail)
    if not _MAIL_HEADERS.intersection(headers):
        raise Refused("undecodable_mime", "there is no mail header in it")
    name, sender = _sender(headers)
    subject = privacy.mask(_text(headers, "subject")[:_MAX_SUBJECT])
    body = _body(mail)
    full_text = privacy.mask(charsets.clean(body.text())[: MAX_FULL_TEXT + 1])
    text = replies.newest_part(full_text[:MAX_FULL_TEXT])

    message_id = _ids(headers, "message-id", 1)
    references, in_reply_to = _ids(headers, "references", _MAX_IDS), _ids(headers, "in-reply-to", 1)
    recipients = _recipients(headers)
    customer_id = identity.canonical_customer_id("email", sender)
    ticket = identity.ticket_in_mail(subject, recipients, [*references, *in_reply_to])
    owner = identity.split_ticket_id(ticket)
    sent_at, time_zone = _sent(headers, now)
    return MessageReceived(
        event_id=mail_event_id(message_id[0], sender) if message_id else identity.event_id("email-raw", raw),
        occurred_at=min(sent_at or _received_at(headers, now) or now, now) if imported else now,
        received_at=now,
        customer_tag=owner[0] if owner else identity.customer_tag(customer_id),
        channel=CHANNEL,
        source=source,
        imported=imported,
        customer_id=customer_id,
        address=_answer_to(headers) or sender,
        customer_name=name,
        subject=subject,
        text=text[:MAX_TEXT],
        full_text=full_text[:MAX_FULL_TEXT],
        ticket_ref=ticket,
        message_id=message_id[0] if message_id else "",
        in_reply_to=in_reply_to[0] if in_reply_to else "",
        references=references,
        recipients=recipients,
        headers=_guard_headers(headers),
        attachments=body.attachments,
        language=locale_hint(_text(headers, "content-language") or _text(headers, "accept-language")),
        time_zone=time_zone,
        sent_at=sent_at,
        fields={"truncated": "text"} if len(text) > MAX_TEXT or len(full_text) > MAX_FULL_TEXT else {},
    )


def mail_event_id(message_id: str, sender: str) -> str:
    """The event id of a mail with a Message-ID. The sender is part of it: nobody can use up another's Message-ID."""
    return identity.event_id("email", message_id, sender.lower())


# the message


def _parse(raw: bytes) -> Message:
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):  # saved by an editor as UTF-16
        raw = raw.decode("utf-16", "replace").encode()
    raw = raw.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n \t\x00")
    if not raw:
        raise Refused("empty", "there is nothing in it")
    if raw.startswith(b"From "):
        raw = raw.partition(b"\n")[2]
    try:
        return email.message_from_bytes(raw, policy=email.policy.compat32)
    except RecursionError as error:
        raise Refused("undecodable_mime", "its parts are nested without end") from error


def _headers(mail: Message) -> Headers:
    found: Headers = {}
    for name, value in mail.raw_items():
        found.setdefault(name.lower(), []).append(str(value))
    return found


@dataclass
class _Body:
    """What was found while walking the parts: texts in reading order (is it HTML, and the text) and the rest."""

    texts: list[tuple[bool, str]] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    parts: int = 0

    def text(self) -> str:
        shown = [markup.to_text(text) if is_html else text.strip("\n") for is_html, text in self.texts]
        return "\n\n".join(part for part in shown if part.strip())


def _body(mail: Message) -> _Body:
    body = _Body()
    _collect(mail, body, 0)
    return body


def _collect(part: Message, body: _Body, depth: int) -> None:
    body.parts += 1
    if body.parts > _MAX_PARTS or depth > _MAX_DEPTH:
        return
    content_type = part.get_content_type()
    payload = part.get_payload()
    if content_type.startswith("multipart/") and isinstance(payload, str):  # parts were announced and never began
        body.texts.append((False, _part_text(part, "text/plain")))
    elif content_type.startswith("message/") or not isinstance(payload, list):
        _leaf(part, content_type, body)
    elif content_type == "multipart/alternative":
        _alternatives([child for child in payload if isinstance(child, Message)], body, depth)
    else:
        for child in payload:
            if isinstance(child, Message):
                _collect(child, body, depth + 1)


def _alternatives(children: list[Message], body: _Body, depth: int) -> None:
    """The first alternative with plain text, else the first with any; attachments of all of them."""
    best: _Body | None = None
    for child in children:
        branch = _Body(parts=body.parts)
        _collect(child, branch, depth + 1)
        body.parts = branch.parts
        body.attachments += branch.attachments
        if _has_text(branch, plain_only=True):
            best = branch if best is None or not _has_text(best, plain_only=True) else best
        elif best is None and _has_text(branch):
            best = branch
    if best is not None:
        body.texts += best.texts


def _has_text(body: _Body, *, plain_only: bool = False) -> bool:
    return any(text.strip() for is_html, text in body.texts if not (plain_only and is_html))


def _leaf(part: Message, content_type: str, body: _Body) -> None:
    disposition = str(part.get("content-disposition", "")).lstrip().lower()
    name = "" if content_type in ("text/plain", "text/html") and not disposition else _file_name(part)
    if content_type in ("text/plain", "text/html") and not name and not disposition.startswith("attachment"):
        body.texts.append((content_type == "text/html", _part_text(part, content_type)))
    elif len(body.attachments) < _MAX_ATTACHMENTS:
        body.attachments.append(_attachment(part, content_type, name))


def _part_text(part: Message, content_type: str) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    data = data[: markup.MAX_HTML_CHARS * 4]
    try:
        charset = part.get_content_charset()
    except (ValueError, LookupError, TypeError):  # a parameter that cannot be parsed
        charset = None
    if content_type == "text/html":
        if charset in (None, "us-ascii") and (match := _META_CHARSET.search(data[:2000])):
            charset = match[1].decode()
        return charsets.decode(data, charset)
    text = charsets.decode(data, charset)
    return _unflow(part, text) if "flowed" in str(part.get("content-type", "")).lower() else text


def _unflow(part: Message, text: str) -> str:
    """RFC 3676: a line that ends in a space goes on in the next one of the same quote depth."""
    delete_space = "delsp=yes" in str(part.get("content-type", "")).lower().replace('"', "").replace(" ", "")
    done: list[str] = []
    flowing = False
    for line in text.split("\n"):
        quoted = line.startswith(">")
        if flowing and not quoted:
            done[-1] += line.removeprefix(" ")
        else:
            done.append(line if quoted else line.removeprefix(" "))
        flowing = line.endswith(" ") and not quoted and line != "-- "
        if flowing and delete_space:
            done[-1] = done[-1][:-1]
    return "\n".join(done)


def _attachment(part: Message, content_type: str, name: str) -> Attachment:
    payload = part.get_payload()
    if isinstance(payload, list):  # a message inside the message, or a delivery status
        inner = payload[0] if payload else None
        size = sum(len(str(item)) for item in payload[:1]) if content_type != "message/rfc822" else 0
        if not name and isinstance(inner, Message) and content_type == "message/rfc822":
            name = _decode_header(str(inner.get("subject", "")))[:200] + ".eml"
        return Attachment(name=name, media_type=content_type, size_bytes=size)
    size = len(payload) if isinstance(payload, str) else 0
    if "base64" in str(part.get("content-transfer-encoding", "")).lower() and isinstance(payload, str):
        letters = size - payload.count("\n") - payload.count("\r")
        size = letters * 3 // 4 - payload[-4:].count("=")
    return Attachment(name=name, media_type=content_type[:100], size_bytes=max(size, 0))


def _file_name(part: Message) -> str:
    try:
        name = part.get_filename() or ""
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
    return _decode_header(str(name)).replace("/", "_").replace("\\", "_").strip()[:200]


# headers


def _text(headers: Headers, name: str) -> str:
    return _decode_header(headers[name][0]) if name in headers else ""


def _decode_header(value: str) -> str:
    """One line of text: unfolded, raw bytes and encoded words decoded, adjacent words joined before they are."""
    value = _raw_text(value)
    if "=?" not in value:
        return charsets.clean(" ".join(value.split("\n"))).strip()
    parts: list[str] = []
    pending, pending_charset, last = b"", "", 0
    for word in _ENCODED_WORD.finditer(value):
        between = value[last : word.start()]
        charset = word[1].split("*")[0].lower()
        if pending and (between.strip() or charset != pending_charset):
            parts.append(charsets.decode(pending, pending_charset))
            pending = b""
        if between.strip():
            parts.append(between)
        pending, pending_charset = pending + _word_bytes(word[2], word[3]), charset
        last = word.end()
    parts.append(charsets.decode(pending, pending_charset))
    parts.append(value[last:])
    return charsets.clean("".join(parts)).replace("\n", " ").strip()


def _raw_text(value: str) -> str:
    value = _FOLD.sub(" ", value)
    if value.isascii():
        return value
    try:
        return charsets.decode(value.encode("ascii", "surrogateescape"))
    except UnicodeEncodeError:
        return charsets.clean(value)


def _word_bytes(encoding: str, payload: str) -> bytes:
    data = payload.encode("utf-8", "surrogateescape")
    if encoding in "qQ":
        return quopri.decodestring(data.replace(b"_", b"=20"), header=False)
    data = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    try:
        return base64.b64decode(data + b"=" * (-len(data) % 4))
    except binascii.Error:
        return base64.b64decode(data[: len(data) // 4 * 4])


def _addresses(values: list[str]) -> list[tuple[str, str]]:
    """`(name, address)` of every usable address; addresses keep their spelling, domains become ASCII."""
    found = []
    for value in values:
        value = _raw_text(value)
        simple = _SIMPLE_ADDRESS.match(value)
        pairs = [(simple[1], simple[2])] if simple else _parsed(value)
        usable = [(_decode_header(name)[:200], _canonical(address)) for name, address in pairs]
        if "=?" in value and not any(_ADDRESS.match(address) for _, address in usable):
            usable = [(name[:200], _canonical(address)) for name, address in _parsed(_decode_header(value))]
        found += [(name.strip("\"' "), address) for name, address in usable if _ADDRESS.match(address)]
    return found


def _parsed(value: str) -> list[tuple[str, str]]:
    try:
        return getaddresses([value[:20_000]])
    except (ValueError, IndexError, TypeError, AttributeError):
        return []


def _canonical(address: str) -> str:
    address = address.strip().strip("<>'").replace("＠", "@")
    if address.isascii():
        return address
    local, _, domain = charsets.clean(address).rpartition("@")
    with contextlib.suppress(UnicodeError):
        domain = domain.encode("idna").decode()
    return f"{local}@{domain}"


def _sender(headers: Headers) -> tuple[str, str]:
    """`(name, address)` of who wrote it: the first usable of From, Sender, Reply-To, Return-Path."""
    for header in ("from", "sender", "reply-to", "return-path"):
        for name, address in _addresses(headers.get(header, [])[:3]):
            return name, address
    raise Refused(
        "no_sender", f"no address in From, Sender, Reply-To or Return-Path ({_text(headers, 'from')[:100]!r})"
    )


def _answer_to(headers: Headers) -> str:
    for _, address in _addresses(headers.get("reply-to", [])[:3]):
        return address
    return ""


def _recipients(headers: Headers) -> list[str]:
    found: dict[str, None] = {}
    for header in _RECIPIENT_HEADERS:
        for _, address in _addresses(headers.get(header, [])[:20]):
            found.setdefault(address.lower() if "+" not in address else address)
            if len(found) >= _MAX_RECIPIENTS:
                return list(found)
    return list(found)


def _ids(headers: Headers, name: str, most: int) -> list[str]:
    """Message ids with their angle brackets; the last `most` ones, because the last reference is the nearest."""
    if name not in headers:
        return []
    value = charsets.clean(_raw_text(" ".join(headers[name][:3])))
    found: list[str] = _MESSAGE_ID.findall(value[-40_000:])
    if not found and (bare := value.strip("<> ")) and len(bare) <= 300:
        found = [f"<{bare.split()[0]}>"]
    return found[:1] if most == 1 else found[-most:]


def _guard_headers(headers: Headers) -> dict[str, str]:
    found = {name: _text(headers, name)[:_MAX_HEADER] for name in headers if name in GUARD_HEADERS}
    content_type = headers.get("content-type", [""])[0].lower()
    if "report" in content_type or "delivery-status" in content_type or "disposition-notification" in content_type:
        found["content-type"] = _text(headers, "content-type")[:_MAX_HEADER]
    return found


def _sent(headers: Headers, now: int) -> tuple[int | None, str]:
    """When the Date header says, in microseconds, and the zone of its offset (`Etc/GMT-9` is nine hours east)."""
    moment, offset = _date(headers.get("date", [""])[0], now)
    if moment is None or not offset or offset % 3600 or not -12 <= offset // 3600 <= 14:
        return moment, ""
    return moment, f"Etc/GMT{-offset // 3600:+d}"


def _received_at(headers: Headers, now: int) -> int | None:
    return _date(headers.get("received", [""])[0].rpartition(";")[2], now)[0]


def _date(value: str, now: int) -> tuple[int | None, int]:
    """`(microseconds, offset in seconds)`; None for a date that cannot be read or cannot be true."""
    if not value:
        return None, 0
    try:
        parsed = parsedate_tz(_raw_text(value)[:100].strip())
        if parsed is None:
            return None, 0
        offset = parsed[9] or 0
        seconds = timegm((*parsed[:6], 0, 1, 0)) - offset
    except (ValueError, OverflowError, IndexError, TypeError):
        return None, 0
    if not _EARLIEST <= seconds <= now // MICROS + _TWO_DAYS:
        return None, 0
    return seconds * MICROS, offset
