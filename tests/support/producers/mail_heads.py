"""Mails whose heads broke on the way, in every way that we know; each is still to be read as the whole one.

A `Break` is a function of header lines and a body that returns the broken mail. The mails come in several languages,
charsets, transfer encodings and structures, so that a Content-Type that was lost shows at once.
"""

from __future__ import annotations

import base64
import quopri
from collections.abc import Callable
from typing import NamedTuple

from hypothesis import strategies as st

__all__ = ["BREAKS", "PART_BREAKS", "Whole", "broken_heads", "whole_mails"]


class Whole(NamedTuple):
    """A mail in pieces: header lines without their ends, a body, and what a reader must find in it."""

    head: tuple[bytes, ...]
    body: bytes
    sender: str
    subject: str
    text: str


_WORDS = {
    "en": ("Where is my parcel?", "Ann Lee", "Hello, order 10023 has not arrived.\nPlease look: it is urgent.", "utf-8"),
    "de": ("Größe tauschen", "Jürgen Groß", "Guten Tag, die Schuhe sind zu groß.\nFür einen Tausch wäre ich dankbar.", "iso-8859-1"),
    "fr": ("Colis abîmé", "Zoé Müller", "Bonjour, le colis est arrivé abîmé.\nQue dois-je faire à présent ?", "utf-8"),
    "ru": ("Где мой заказ", "Иван Петров", "Здравствуйте, заказ ещё не пришёл.\nКогда его ждать?", "koi8-r"),
    "ja": ("荷物が届きません", "佐藤 健", "お世話になっております。\n先週注文した靴がまだ届いていません。", "iso-2022-jp"),
    "zh": ("包裹没有收到", "李雷", "您好，包裹一直没有更新。\n请帮我查一下。", "gb18030"),
}  # fmt: skip


def _word(text: str) -> str:
    return text if text.isascii() else f"=?utf-8?B?{base64.b64encode(text.encode()).decode()}?="


def _encoded(words: str, charset: str, encoding: str) -> bytes:
    data = words.encode(charset)
    if encoding == "base64":
        return base64.encodebytes(data)
    return quopri.encodestring(data) + b"\n" if encoding == "quoted-printable" else data + b"\n"


def _head(subject: str, name: str, content: list[str]) -> tuple[bytes, ...]:
    lines = [
        "Received: from relay.x.example (relay.x.example [192.0.2.7])\n\tby mx.support.example with ESMTPS; Mon, 2 Mar 2026 09:30:00 +0000",
        f"From: {_word(name)} <a@x.example>",
        "To: support@support.example",
        f"Subject: {_word(subject)}",
        "Date: Mon, 2 Mar 2026 09:30:00 +0000",
        "Message-ID: <1@x.example>",
        "MIME-Version: 1.0",
        *content,
        "X-Mailer: Example 16.0",
    ]  # fmt: skip
    return tuple(line.encode() for line in lines)


def _plain(language: str, encoding: str) -> Whole:
    subject, name, words, charset = _WORDS[language]
    encoding = "7bit" if charset == "iso-2022-jp" else encoding
    content = [f"Content-Type: text/plain; charset={charset}", f"Content-Transfer-Encoding: {encoding}"]
    return Whole(_head(subject, name, content), _encoded(words, charset, encoding), "a@x.example", subject, words)


def _html(language: str, encoding: str) -> Whole:
    subject, name, words, charset = _WORDS[language]
    encoding = "7bit" if charset == "iso-2022-jp" else encoding
    page = "<html><body><p>" + words.replace("\n", "<br>") + "</p></body></html>"
    content = [f"Content-Type: text/html;\n\tcharset={charset}", f"Content-Transfer-Encoding: {encoding}"]
    return Whole(_head(subject, name, content), _encoded(page, charset, encoding), "a@x.example", subject, words)


def _multipart(language: str, encoding: str) -> Whole:
    subject, name, words, charset = _WORDS[language]
    encoding = "7bit" if charset == "iso-2022-jp" else encoding
    body = (
        f"This is a multi-part message in MIME format.\n--=_b1\nContent-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: {encoding}\n\n"
    ).encode()
    body += _encoded(words, charset, encoding)
    body += b'--=_b1\nContent-Type: image/png; name="a.png"\nContent-Transfer-Encoding: base64\n\nAAEC\n--=_b1--\n'
    content = ['Content-Type: multipart/mixed;\n boundary="=_b1"']
    return Whole(_head(subject, name, content), body, "a@x.example", subject, words)


whole_mails = st.builds(
    lambda make, language, encoding: make(language, encoding),
    st.sampled_from([_plain, _html, _multipart]),
    st.sampled_from(sorted(_WORDS)),
    st.sampled_from(["8bit", "base64", "quoted-printable"]),
)

Break = Callable[[Whole, int], bytes]


def _join(head: tuple[bytes, ...] | list[bytes], body: bytes, end: bytes = b"\n") -> bytes:
    return (b"\n".join(head) + b"\n\n" + body).replace(b"\n", end)


def _line_at(line: bytes) -> Break:
    """Puts a line that is no header among the headers; never below the last one, where it would begin the body."""
    return lambda mail, at: _join(
        [*mail.head[: at % len(mail.head)], line, *mail.head[at % len(mail.head) :]], mail.body
    )


def _above(lines: bytes) -> Break:
    return lambda mail, at: lines + _join(mail.head, mail.body)


def _split(mail: Whole, at: int) -> bytes:
    """Leaves a blank line below what servers added."""
    return _join([b"Return-Path: <a@x.example>", mail.head[0], b"", *mail.head[1:]], mail.body)


def _content_split(mail: Whole, at: int) -> bytes:
    """Leaves a blank line above the headers of the content."""
    rest = [line for line in mail.head if not line.startswith(b"Content-")]
    return _join([*rest, b"", *(line for line in mail.head if line.startswith(b"Content-"))], mail.body)


def _unfolded(mail: Whole, at: int) -> bytes:
    """Takes the blanks away that continue a header."""
    return _join([line.replace(b"\n\t", b"\n").replace(b"\n ", b"\n") for line in mail.head], mail.body)


def _long_unfolded(mail: Whole, at: int) -> bytes:
    """Wraps the references, without a blank."""
    ids = b"".join(b"<%d.%s@mail.x.example>\n" % (number, b"a" * 60) for number in range(4)).rstrip()
    return _join([*mail.head[:4], b"References: " + ids, *mail.head[4:]], mail.body)


def _blank_before_colon(mail: Whole, at: int) -> bytes:
    return _join([line.replace(b":", b" :", 1) for line in mail.head], mail.body)


def _indented(mail: Whole, at: int) -> bytes:
    return b"".join(b"    " + line + b"\n" for each in mail.head for line in each.split(b"\n")) + b"\n" + mail.body


def _line_ends(end: bytes) -> Break:
    return lambda mail, at: _join(mail.head, mail.body, end)


def _mixed_ends(mail: Whole, at: int) -> bytes:
    return b"\r\n".join(mail.head) + b"\n\r\n" + mail.body


def _no_blank_line(mail: Whole, at: int) -> bytes:
    """Leaves out the blank line below the headers."""
    return b"\n".join(mail.head) + b"\n" + mail.body


def _of_header(name: bytes, change: Callable[[bytes], bytes]) -> Break:
    return lambda mail, at: _join([change(line) if line.startswith(name) else line for line in mail.head], mail.body)


BREAKS: dict[str, Break] = {
    "a line of words": _line_at(b"this line was cut off somewhere"),
    "a line of raw bytes": _line_at(b"\xff\xfe\x80 \xe4\xf6"),
    "a name with a blank": _line_at(b"Message Id: <2@x.example>"),
    "a name beyond ASCII": _line_at("Betreff ä: x".encode()),
    "a name in Chinese": _line_at("主题：包裹".encode()),
    "a markup line": _line_at(b"<html>"),
    "a ruled line": _line_at(b"=" * 20),
    "a line with dashes": _line_at(b"-- "),
    "a line of one letter": _line_at(b"x"),
    "two lines of words": _line_at(b"one more line\nand another one"),
    "an empty name": _line_at(b": nothing"),
    "an empty value": _line_at(b"X-Empty:"),
    "an escaped From line": _line_at(b">From a@x.example Mon Mar  2 09:30:00 2026"),
    "a From line inside": _line_at(b"From a@x.example Mon Mar  2 09:30:00 2026"),
    "an escaped From line above": _above(b">From a@x.example Mon Mar  2 09:30:00 2026\n"),
    "a From line above": _above(b"From a@x.example Mon Mar  2 09:30:00 2026\n"),
    "both From lines above": _above(b"From a@x.example Mon Mar  2 09:30:00 2026\n>From b@x.example Mon Mar  2 09:30:00 2026\n"),
    "an answer of a POP server above": _above(b"+OK 1234 octets\n"),
    "an answer of an IMAP server above": _above(b"* 1 FETCH (BODY[] {1234}\n"),
    "words above": _above(b"Here is the mail that I saved\n"),
    "words and a blank line above": _above(b"Here is the mail that I saved\nyesterday:\n\n"),
    "blank lines above": _above(b"\n \n\t\n"),
    "a fold above": _above(b"\tby mx.support.example with ESMTP\n"),
    "a blank line below the trace": _split,
    "a blank line above the content": _content_split,
    "continuations without a blank": _unfolded,
    "references without a blank": _long_unfolded,
    "blanks before colons": _blank_before_colon,
    "all indented": _indented,
    "line ends CR CR LF": _line_ends(b"\r\r\n"),
    "line ends CR LF": _line_ends(b"\r\n"),
    "line ends CR": _line_ends(b"\r"),
    "mixed line ends": _mixed_ends,
    "no blank line": _no_blank_line,
    "names in capitals": lambda mail, at: _join([b":".join((line.partition(b":")[0].upper(), line.partition(b":")[2])) for line in mail.head if b":" in line], mail.body),
    "no blank behind the colon": lambda mail, at: _join([line.replace(b": ", b":", 1) for line in mail.head], mail.body),
    "no semicolon behind the type": _of_header(b"Content-Type", lambda line: line.replace(b";", b"")),
    "a comma behind the type": _of_header(b"Content-Type", lambda line: line.replace(b";", b",")),
    "a type in quotes": _of_header(b"Content-Type", lambda line: b'Content-Type: "' + line[14:].partition(b";")[0] + b'";' + line.partition(b";")[2]),
    "a type in capitals": _of_header(b"Content-Type", lambda line: line.partition(b";")[0].upper() + b";" + line.partition(b";")[2]),
    "blanks around the slash": _of_header(b"Content-Type", lambda line: line.replace(b"/", b" / ", 1)),
    "blanks around the equals sign": _of_header(b"Content-Type", lambda line: line.replace(b"=", b" = ", 1)),
    "a comment in the type": _of_header(b"Content-Type", lambda line: line.replace(b";", b" (as it is);", 1)),
    "a semicolon more": _of_header(b"Content-Type", lambda line: line.replace(b";", b";;", 1) + b";"),
    "an empty type before": _of_header(b"Content-Type", lambda line: b"Content-Type:\n" + line),
    "an encoding in quotes": _of_header(b"Content-Transfer", lambda line: line.replace(b": ", b': "') + b'"'),
    "an encoding with a semicolon": _of_header(b"Content-Transfer", lambda line: line + b";"),
    "an encoding in capitals": _of_header(b"Content-Transfer", lambda line: line.upper()),
    "an encoding with blanks": _of_header(b"Content-Transfer", lambda line: line.replace(b"-printable", b" printable").replace(b"base64", b"base 64")),
    "an encoding without its dash": _of_header(b"Content-Transfer", lambda line: line.replace(b"-printable", b"printable").replace(b"base64", b"base-64")),
}  # fmt: skip


def _part_head(change: Callable[[bytes], bytes]) -> Break:
    """Changes the headers of the first part."""

    def broken(mail: Whole, at: int) -> bytes:
        before, line, rest = mail.body.partition(b"--=_b1\n")
        head, blank, body = rest.partition(b"\n\n")
        return _join(mail.head, before + line + change(head) + blank + body)

    return broken


PART_BREAKS: dict[str, Break] = {
    "a blank line above": _part_head(lambda head: b"\n" + head),
    "two blank lines above": _part_head(lambda head: b"\n\r\n" + head),
    "a blank line between": _part_head(lambda head: head.replace(b"\n", b"\n\n", 1)),
    "a line of words between": _part_head(lambda head: head.replace(b"\n", b"\nthis was cut off\n", 1)),
    "a line of words above": _part_head(lambda head: b"this was cut off\n" + head),
    "an escaped From line": _part_head(lambda head: b">From a@x.example\n" + head),
    "a From line": _part_head(lambda head: b"From a@x.example Mon Mar  2 09:30:00 2026\n" + head),
    "a continuation without a blank": _part_head(lambda head: head.replace(b"; ", b";\n", 1)),
    "blanks before colons": _part_head(lambda head: head.replace(b":", b" :")),
    "no semicolon": _part_head(lambda head: head.replace(b";", b" ", 1)),
    "no blank line": lambda mail, at: _join(mail.head, mail.body.replace(b"\n\n", b"\n", 1)),
    "a fold above": _part_head(lambda head: b" left over\n" + head),
    "indented headers": _part_head(lambda head: b" " + head.replace(b"\n", b"\n ")),
}  # fmt: skip


@st.composite
def broken_heads(draw: st.DrawFn) -> tuple[str, Whole, bytes]:
    """Draws `(the break, the whole mail, the broken one)`."""
    mail, at = draw(whole_mails), draw(st.integers(1, 7))
    breaks = dict(BREAKS)
    if b"--=_b1" in mail.body:
        breaks |= {f"part: {name}": each for name, each in PART_BREAKS.items()}
    if draw(st.booleans()) and b"--=_b1" in mail.body:
        name = f"part: {draw(st.sampled_from(sorted(PART_BREAKS)))}"
    else:
        name = draw(st.sampled_from(sorted(BREAKS)))
    return name, mail, breaks[name](mail, at)
