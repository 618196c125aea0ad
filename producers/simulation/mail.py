"""Renders mail from a description: RFC 822 bytes in the charsets and shapes that mail programs really send."""

from __future__ import annotations

import base64
import html
import quopri
from dataclasses import dataclass
from email.header import Header
from email.utils import format_datetime, formataddr

from schemas.clock import from_micros

__all__ = ["Mail", "render"]

#: Older mail programs write these instead of UTF-8.
_OLD_CHARSETS = {"zh-Hans": "gb18030", "zh-Hant": "big5", "ja": "iso-2022-jp"}


@dataclass(frozen=True, slots=True)
class Mail:
    """Describes a mail. `style` picks how it is written: 0 UTF-8 plain, 1 with an HTML part, 2 a charset of old, 3 quoted-printable."""

    sender_name: str
    sender: str
    recipient: str
    subject: str
    text: str
    message_id: str
    language: str
    style: int = 0
    in_reply_to: str = ""
    quoted: str = ""
    headers: tuple[tuple[str, str], ...] = ()


def render(mail: Mail, at: int) -> bytes:
    """Returns the bytes of the mail, dated `at` (micros UTC)."""
    charset = _charset(mail)
    head = [
        ("From", formataddr((mail.sender_name, mail.sender))),
        ("To", mail.recipient),
        ("Subject", Header(mail.subject, None if mail.subject.isascii() else charset, header_name="Subject").encode()),
        ("Date", format_datetime(from_micros(at))),
        ("Message-ID", mail.message_id),
        ("MIME-Version", "1.0"),
        ("Content-Language", mail.language),
        *mail.headers,
    ]
    if mail.in_reply_to:
        head += [("In-Reply-To", mail.in_reply_to), ("References", mail.in_reply_to)]
    text = mail.text + _quotation(mail, at)
    if mail.style == 1:
        boundary = "=_" + mail.message_id.strip("<>").partition("@")[0][-30:]
        head.append(("Content-Type", f'multipart/alternative; boundary="{boundary}"'))
        page = f"<html><body><p>{html.escape(text)}</p></body></html>".replace("\n", "<br>\r\n")
        parts = (_part("text/plain", text, charset), _part("text/html", page, charset))
        body = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts) + f"--{boundary}--\r\n"
        return (_lines(head) + "\r\n" + body).encode("ascii")
    return (_lines(head) + _part("text/plain", text, charset, quoted=mail.style == 3)).encode("ascii")


def _charset(mail: Mail) -> str:
    old = _OLD_CHARSETS.get(mail.language)
    if mail.style != 2 or old is None:
        return "utf-8"
    try:
        (mail.subject + mail.text + mail.quoted).encode(old)
    except UnicodeEncodeError:
        return "utf-8"
    return old


def _quotation(mail: Mail, at: int) -> str:
    if not mail.quoted:
        return ""
    day = from_micros(at)
    date = f"{day.year}年{day.month}月{day.day}日"
    line = {
        "zh-Hans": f"在{date}，{mail.recipient} 写道：",
        "zh-Hant": f"於{date}，{mail.recipient} 寫道：",
        "ja": f"{date} {day:%H:%M} <{mail.recipient}>:",
    }.get(mail.language, f"On {day:%a, %d %b %Y} at {day:%H:%M}, {mail.recipient} wrote:")
    return f"\n\n{line}\n" + "\n".join(f"> {each}" for each in mail.quoted.split("\n"))


def _part(content_type: str, text: str, charset: str, *, quoted: bool = False) -> str:
    data = text.replace("\n", "\r\n").encode(charset)
    if quoted:
        encoding, body = "quoted-printable", quopri.encodestring(data).decode("ascii").replace("\n", "\r\n")
        body = body.replace("\r\r\n", "\r\n")
    else:
        encoding, body = "base64", base64.encodebytes(data).decode("ascii").replace("\n", "\r\n")
    head = [("Content-Type", f"{content_type}; charset={charset}"), ("Content-Transfer-Encoding", encoding)]
    return _lines(head) + "\r\n" + body


def _lines(head: list[tuple[str, str]]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in head)
