"""Composes the e-mail of an outbound message: pure, UTF-8; its texts cannot add a header or a recipient.

`compose.py` writes the content below the headers that are written here.

Written by hand after RFC 5322, 2045 and 2047: the standard library's EmailMessage takes more than a millisecond for
such a mail (this: 40 microseconds), and folds a long Message-ID into an encoded word, which mail programs do not recognise as
the id of the mail that is being answered. The tests read every mail back with the standard library.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.utils import format_datetime

import idna

from schemas.clock import from_micros
from schemas.facts import Outbound
from schemas.identity import DEPTH_HEADER, mail_message_id, report_proof
from schemas.text import printable_line
from sinks.delivery.adapter import Undeliverable
from sinks.delivery.compose import File, content, encoded_words

_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
#: RFC 6532 lets any other character than ASCII stand in an atom; whether it is printable is asked apart.
_UTF8_DOT_ATOM = re.compile(_DOT_ATOM.pattern.replace("`{", "`\\u0080-\\U0010ffff{"))
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
_MESSAGE_IDS = re.compile(r"<[!-;=?-~]{3,900}>")  # visible ASCII, no angle brackets inside
_PLAIN_NAME = re.compile(r"[A-Za-z0-9 ]{1,60}")
_THREADING = {"message-id": "Message-ID", "in-reply-to": "In-Reply-To", "references": "References"}
_OURS = frozenset(
    {
        DEPTH_HEADER.lower(),
        "from",
        "to",
        "cc",
        "bcc",
        "sender",
        "return-path",
        "subject",
        "date",
        "reply-to",
        "mime-version",
        "x-report-proof",
    }
)
_MAX_REFERENCES, _MAX_LINE, _MAX_NAME = 40, 900, 120


@dataclass(frozen=True, slots=True)
class MailAddress:
    """Holds one address, safe to put into a header and an SMTP command; its local part may be international (RFC 6531)."""

    local: str
    domain: str

    @property
    def spec(self) -> str:
        """The address as `local@domain`."""
        return f"{self.local}@{self.domain}"


def compose(
    message: Outbound,
    *,
    sender: MailAddress,
    now: int,
    files: Sequence[File] = (),
    eight_bit: bool = False,
    by_ticket: bool = True,
) -> tuple[str, bytes]:
    """Returns `(recipient, the mail with CRLF)`. `now` in pipeline micros becomes the Date.

    `message.sender` becomes the Reply-To, and of a mail that nobody wrote the From as well: there are machines that answer
    no other address, and their answer must name the ticket. Not `by_ticket`: the server refuses such a sender. Headers that
    would change the sender or a recipient are left out. `files` are those of `message.attachments`. The mail is ASCII, but for
    international addresses in its header, unless it is for a server that takes `eight_bit` content.

    Raises:
        Undeliverable: an address is not exactly one e-mail address, or a header has an impossible name.
    """
    recipient = address(message.address)
    own = _own_address(message, sender)
    author = envelope_sender(message, sender, by_ticket=by_ticket) if _is_automatic(message) else own
    lines = [f"From: {_named(message.sender_name, author)}", f"To: {_named(message.customer_name, recipient)}"]
    if shown := _specs(message.cc, but=(recipient.spec,)):
        lines.append("Cc: " + ",\r\n ".join(shown))
    if message.sender and message.sender != own.spec:
        lines.append(f"Reply-To: {address(message.sender).spec}")
    lines += [f"Subject: {_text(message.subject)}", f"Date: {format_datetime(from_micros(now))}"]
    lines += _threading(message, sender)
    seen = set()
    for name, value in message.headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise Undeliverable("refused", "bad_header", f"{name[:80]!r} is not a header name")
        lower = name.lower()
        if not (lower in _OURS or lower in _THREADING or lower in seen or lower.startswith("content-")):
            seen.add(lower)
            lines.append(f"{name}: {_text(value)}")
    if message.causation_depth and message.kind != "reply":  # what a person writes begins anew
        lines.append(f"{DEPTH_HEADER}: {message.causation_depth}")
    lines.append("MIME-Version: 1.0\r\n")
    return recipient.spec, "\r\n".join(lines).encode() + content(
        message, files, domain=sender.domain, eight_bit=eight_bit
    )


def envelope_sender(message: Outbound, sender: MailAddress, *, by_ticket: bool = True) -> MailAddress:
    """Returns the address that bounces and automatic answers go to: the ticket's, where it is at the domain of `sender` or a brand.

    Not `by_ticket`: the plain one.

    Raises:
        Undeliverable: `message.sender` is no address.
    """
    if not by_ticket:
        return _own_address(message, sender)
    own = address(message.sender) if message.sender else sender
    return own if message.brand or own.domain.lower() == sender.domain.lower() else sender


def _is_automatic(message: Outbound) -> bool:
    return any(name.lower() == "auto-submitted" and value != "no" for name, value in message.headers.items())


def copies(message: Outbound) -> tuple[str, ...]:
    """Returns the addresses that get the same mail as the customer, each once: `cc`, then `bcc`.

    Raises:
        Undeliverable: one is not exactly one e-mail address.
    """
    try:
        hidden = [address(each).spec for each in message.bcc]
    except Undeliverable:  # the reason is shown to more people than the blind copy is
        raise Undeliverable("refused", "bad_address", "a bcc is not an e-mail address") from None
    return _specs([*message.cc, *hidden], but=(address(message.address).spec,))


def _specs(addresses: Sequence[str], but: tuple[str, ...]) -> tuple[str, ...]:
    known = {each.lower() for each in but}
    found = []
    for spec in (address(each).spec for each in addresses):
        if spec.lower() not in known:
            known.add(spec.lower())
            found.append(spec)
    return tuple(found)


def address(text: str) -> MailAddress:
    """Parses one e-mail address without a name; gives an international domain its ASCII form (IDNA 2008).

    Raises:
        Undeliverable: the text is no address, or more than one.
    """
    local, _, domain = text.strip().rpartition("@")
    try:
        if not domain.isascii():
            domain = _ascii_domain(domain)
        if len(local.encode()) > 64 or len(domain) > 255 or not _DOMAIN.fullmatch(domain):
            raise ValueError("it is not one address")
        if not local.isascii():
            if not (_UTF8_DOT_ATOM.fullmatch(local) and local.isprintable()):
                raise ValueError("it is not one address")
        elif not _DOT_ATOM.fullmatch(local):  # rare: "a quoted local part"
            if not local.isprintable():
                raise ValueError("it is not one address")
            local = Address(addr_spec=f"{local}@{domain}").addr_spec.rpartition("@")[0]
        return MailAddress(local, domain)
    except Exception as error:  # the library's parser has errors of many kinds for a broken address
        raise Undeliverable("refused", "bad_address", f"{text[:200]!r}: {error}") from error


def _ascii_domain(domain: str) -> str:
    """Returns the form of IDNA 2008; that of 2003 for what it forbids, such as emoji, which are registered nevertheless."""
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return domain.encode("idna").decode()


def _own_address(message: Outbound, sender: MailAddress) -> MailAddress:
    """Returns whom the mail is from: the address of its brand, which is that of the Reply-To without the token, else ours."""
    if not message.brand or "@" not in message.sender:
        return sender
    local, _, domain = message.sender.rpartition("@")
    return address(f"{local.partition('+')[0]}@{domain}")


def _named(name: str, recipient: MailAddress) -> str:
    name = printable_line(name)[:_MAX_NAME]
    if not name:
        return recipient.spec
    return f"{name if _PLAIN_NAME.fullmatch(name) else encoded_words(name)}\r\n <{recipient.spec}>"


def _threading(message: Outbound, sender: MailAddress) -> list[str]:
    given = {name.lower(): value for name, value in message.headers.items()}
    given["message-id"] = message.message_id
    lines = []
    for name, label in _THREADING.items():
        ids = _MESSAGE_IDS.findall(given.get(name, ""))
        if name == "message-id" and not ids:
            ids = _MESSAGE_IDS.findall(mail_message_id(message.ticket_id, message.outbound_id, sender.domain))
        ids = ids[:1] + ids[1:][-(_MAX_REFERENCES - 1) :] if name == "references" else ids[:1]
        if ids:
            lines.append(f"{label}: " + "\r\n ".join(ids))
        if name == "message-id" and ids:
            lines.append(f"X-Report-Proof: {report_proof(ids[0])}")
    return lines


def _text(value: str) -> str:
    """Returns unstructured text as a header value: one line of ASCII; encoded words from the first word that needs it to the last."""
    line = printable_line(value)
    if line.isascii() and len(line) <= _MAX_LINE and "=?" not in line:
        return line
    words = line.split(" ")
    coded = [number for number, word in enumerate(words) if not word.isascii()]
    if not coded or "=?" in line or len(line) > _MAX_LINE:
        return encoded_words(line)
    first, last = coded[0], coded[-1] + 1
    parts = (" ".join(words[:first]), encoded_words(" ".join(words[first:last])), " ".join(words[last:]))
    return "\r\n ".join(filter(None, parts))
