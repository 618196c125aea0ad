"""An outbound message as an e-mail: pure, UTF-8, and nothing in it can add a header or a recipient.

Threading headers are written by hand, one id a line: the standard library folds a long Message-ID into an encoded
word, which mail programs do not recognise as the id of the mail that is being answered.
"""

from __future__ import annotations

import re
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from schemas.clock import from_micros
from schemas.facts import Outbound
from schemas.identity import mail_message_id
from sinks.adapter import Undeliverable

_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
_MESSAGE_IDS = re.compile(r"<[!-;=?-~]{3,900}>")  # visible ASCII, no angle brackets inside
_THREADING = {"message-id": "Message-ID", "in-reply-to": "In-Reply-To", "references": "References"}
_OURS = frozenset({"from", "to", "cc", "bcc", "sender", "return-path", "subject", "date", "reply-to", "mime-version"})
_MAX_REFERENCES = 40


def compose(message: Outbound, *, sender: Address, now: int) -> tuple[str, bytes]:
    """`(recipient, the mail as bytes with CRLF)`. `now` in pipeline micros becomes the Date.

    `message.sender` is the Reply-To if it is given. Headers that would change who writes to whom are left out.

    Raises:
        Undeliverable: the address is not exactly one e-mail address, or a header has an impossible name.
    """
    recipient = address(message.address, message.customer_name)
    mail = EmailMessage(policy=SMTP)
    try:
        mail["From"] = sender
        mail["To"] = recipient
        if message.sender and message.sender != sender.addr_spec:
            mail["Reply-To"] = address(message.sender)
        mail["Subject"] = _line(message.subject)
        mail["Date"] = format_datetime(from_micros(now))
        for name, value in message.headers.items():
            if not _HEADER_NAME.fullmatch(name):
                raise Undeliverable("refused", "bad_header", f"{name[:80]!r} is not a header name")
            lower = name.lower()
            if lower not in _OURS and lower not in _THREADING and not lower.startswith("content-"):
                mail[name] = _line(value)
        mail.set_content(message.text, charset="utf-8", cte=_transfer_encoding(message.text))
        return recipient.addr_spec, _threading(message, sender) + mail.as_bytes()
    except (MessageError, ValueError, UnicodeError) as error:
        raise Undeliverable("refused", "bad_message", f"{type(error).__name__}: {error}") from error


def address(text: str, display_name: str = "") -> Address:
    """One e-mail address; an international domain in its ASCII form.

    Raises:
        Undeliverable: it is none, or more than one.
    """
    spec = text.strip()
    local, _, domain = spec.rpartition("@")
    try:
        if not local or not domain or not local.isascii() or any(c in spec for c in "\r\n\0 ,;<>"):
            raise ValueError("it is not one address")
        if not domain.isascii():
            domain = domain.encode("idna").decode()
        return Address(display_name=_line(display_name)[:120], addr_spec=f"{local}@{domain}")
    except (MessageError, ValueError, IndexError) as error:  # a broken address can be an IndexError in the parser
        raise Undeliverable("refused", "bad_address", f"{text[:200]!r}: {error}") from error


def _threading(message: Outbound, sender: Address) -> bytes:
    given = {name.lower(): value for name, value in message.headers.items()}
    given["message-id"] = message.message_id or mail_message_id(message.ticket_id, message.outbound_id, sender.domain)
    lines = []
    for name, label in _THREADING.items():
        ids = _MESSAGE_IDS.findall(given.get(name, ""))
        ids = ids[:1] + ids[1:][-(_MAX_REFERENCES - 1) :] if name == "references" else ids[:1]
        if ids:
            lines.append(f"{label}: " + "\r\n ".join(ids) + "\r\n")
    return "".join(lines).encode("ascii")


def _transfer_encoding(text: str) -> str:
    """Seven bits on the wire, whatever the next server can do; readable in transit where the text is mostly ASCII."""
    beyond = sum(not character.isascii() for character in text)
    if not beyond and all(len(line) <= 900 for line in text.splitlines()):
        return "7bit"
    return "quoted-printable" if beyond * 6 < len(text) else "base64"


def _line(text: str) -> str:
    """The text on one line, without control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
