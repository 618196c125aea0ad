"""Raw mail as it comes by IMAP, SMTP and from files; the parts of a mail that have formats of their own."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

from producers.mail import charsets, headers, invitations, quotes, rtf, smime, tnef
from producers.mail.mime import parse_mail
from producers.mail.parse import parse
from producers.mail.part import Part
from producers.publisher import Receipt
from producers.sources import files
from producers.sources.mail_intake import mail_intake
from producers.sources.smtp import with_envelope
from producers.text import markup, privacy
from schemas.settings import ProducerSettings
from tests.fuzz import mutators, structured
from tests.fuzz.memory_kafka import publisher_in_memory, received
from tests.fuzz.target import EXAMPLES, Mutator, Target
from tests.support.producers import mail_rows, tnef_bytes

MAILS = [path.read_bytes()[:60_000] for path in sorted((EXAMPLES / "email").glob("*.eml"))]
_CHARSETS = [
    "",
    "utf-8",
    "us-ascii",
    "gb2312",
    "gb18030",
    "big5",
    "shift_jis",
    "euc-jp",
    "iso-2022-jp",
    "hz",
    "utf-7",
    "utf-16",
    "iso-8859-8",
    "x",
    "idna",
]
_HTML = mutators.inserting(
    *(b"<p>", b"</p>", b"<table><tr><td>", b"<svg>", b"<math>", b"<!--", b"-->", b"<![CDATA[", b"<style>", b"<script>", b"&#x", b"&amp", b"<a href='", b"<p style='display:none'>",
      b"<select>", b"<template>", b"<frameset>", b"<plaintext>", b"<pre>", b"</br>", b"<meta charset=utf-16>", b"<b hidden>", b"<font size=0>")
)  # fmt: skip
_HTML_NESTS = mutators.nesting(
    (b"<div>", b"</div>"),
    (b"<blockquote>", b"</blockquote>"),
    (b"<b><p>", b"</b>"),
    (b"<table>", b"</table>"),
    (b"<p hidden>", b""),
)
_RTF = mutators.inserting(
    *(b"{\\rtf1 ", b"{\\fonttbl{\\f0\\fcharset128 x;}}", b"\\u-3913?", b"\\'e4", b"{\\field{\\*\\fldinst{HYPERLINK \"x\"}}{\\fldrslt y}}", b"\\ansicpg932", b"{\\pict ", b"\\uc9999",
      b"\\bin99999 ", b"{\\*\\", b"\\u999999999?", b"\\trowd\\cell\\row", b"}", b"{", b"\\par ")
)  # fmt: skip
_ICS = mutators.inserting(
    b"BEGIN:VEVENT\n",
    b"END:VEVENT\n",
    b"SUMMARY;LANGUAGE=ja:",
    b"DESCRIPTION:",
    b"RRULE:FREQ=SECONDLY;COUNT=999999999\n",
    b"DTSTART:99991231T235960Z\n",
    b"\n ",
    b"\\n",
    b"TZID=",
)


def _settings() -> ProducerSettings:
    return ProducerSettings(clock="")


def _mail(envelope: bool = False, imported: bool = False) -> Callable[[], Callable[[bytes], str]]:
    def opened() -> Callable[[bytes], str]:
        settings = _settings()
        publisher, kafka = publisher_in_memory(settings)
        intake = mail_intake(publisher, settings, None, source="imap:fuzz", imported=imported)

        def take(raw: bytes) -> str:
            if envelope:
                raw = with_envelope(raw, "bounce@b.example", ["support@shop.example"])
            return _outcome(received(intake.take(raw, origin="imap:fuzz/1")), kafka)

        return take

    return opened


def _outcome(receipt: Receipt, kafka: object) -> str:
    kafka.clear()  # type: ignore[attr-defined]
    return f"{receipt.outcome} {receipt.reason}".strip()


def _mbox() -> Callable[[bytes], str]:
    """Splits an mbox and takes each of its mails."""
    settings = _settings()
    publisher, kafka = publisher_in_memory(settings)
    intake = mail_intake(publisher, settings, None, source="mbox:fuzz", imported=True)

    def take(raw: bytes) -> str:
        taken = [
            received(intake.take(mail, origin="mbox", refused=files._refused(total, 1_000_000), total_bytes=total))
            for _, _, mail, total in files._split(BytesIO(raw), 0, 1_000_000)
        ]
        kafka.clear()
        return f"{min(len(taken), 3)} mails"

    return take


def _files() -> Callable[[bytes], str]:
    """Parses a mail and decodes each of its files, as the store of attachments does."""

    def take(raw: bytes) -> str:
        found = parse(raw).files
        for file in found:
            assert len(file.content()) == file.size, file
        return f"{min(len(found), 3)} files"

    return take


def _words(read: Callable[[bytes], str]) -> Callable[[], Callable[[bytes], str]]:
    """Reads a text: it must be one that can be written to Kafka."""

    def opened() -> Callable[[bytes], str]:
        def take(raw: bytes) -> str:
            words = charsets.clean(read(raw))
            words.encode("utf-8")
            return "words" if words.strip() else "none"

        return take

    return opened


def _decode(raw: bytes) -> str:
    name, _, data = raw.partition(b"\n")
    return charsets.decode(data, name.decode("latin-1")[:60])


def _tnef(raw: bytes) -> str:
    found = tnef.read(raw)
    names = [charsets.clean(name) for name, _ in found.files]
    return "\n".join((found.text, markup.to_text(charsets.clean(found.html)), found.words(), *names))


def _headers(raw: bytes) -> str:
    value = raw.decode("utf-8", "surrogateescape")
    headers.date(value, 1_772_445_600_000_000)
    return " ".join([headers.decode(value), *(address for _, address in headers.addresses([value]))])


def _quotes(raw: bytes) -> str:
    text = privacy.mask(charsets.clean(raw.decode("utf-8", "replace")))
    words = quotes.newest_part(text)
    assert privacy.mask(words) == words
    return words


def _bodies(*kinds: bytes) -> Callable[[], list[bytes]]:
    """Returns the bodies of the examples that have one of these in them."""
    return lambda: [mail.partition(b"\n\n")[2] for mail in MAILS if any(kind in mail for kind in kinds)]


def _charset_seeds() -> list[bytes]:
    texts = ["お世話になります。荷物が届きません。", "您好，我的包裹还没有到", "Where is my parcel? Größe", "שלום"]
    found = []
    for name in _CHARSETS:
        for text in texts:
            try:
                found.append(name.encode() + b"\n" + text.encode(name or "utf-8", "replace"))
            except (LookupError, UnicodeError):
                found.append(name.encode() + b"\n" + text.encode())
    return found


def _tnef_seeds() -> list[bytes]:
    page = b"<p>Where is <b>it</b>?</p>"
    return [
        tnef_bytes.tnef(tnef_bytes.message_props(body="Where is it? 荷物")),
        tnef_bytes.tnef(tnef_bytes.message_props(html=page, codepage=932)),
        tnef_bytes.tnef(tnef_bytes.message_props(body="x"), tnef_bytes.attachment(b"bill.pdf", b"%PDF-1.4 x")),
    ]


def _smime_seeds() -> list[bytes]:
    found = [
        part.content()
        for mail in MAILS
        if b"pkcs7" in mail
        for part in [Part(parse_mail(mail))]
        if "pkcs7" in part.kind
    ]
    assert found
    return found


_RTF_SEEDS = [
    b"{\\rtf1\\ansi\\ansicpg1252{\\fonttbl{\\f0\\fswiss\\fcharset0 Arial;}}\\f0 Where is it?\\par \\u33655?\\u29289? \\'e4}",
    b'{\\rtf1{\\field{\\*\\fldinst{HYPERLINK "http://x"}}{\\fldrslt{y}}}{\\*\\generator x;}{\\pict 0102}\\trowd a\\cell\\row}',
]
_HEADER_SEEDS = [
    *(b"Ann <ann@example.org>", b"=?utf-8?B?5Lit5paH?= <a@b.example>, x:y@z;", b"Mon, 02 Mar 2026 10:00:00 +0900 (JST)", b"=?iso-2022-jp?B?GyRCMlkbKEI=?= =?gb2312?q?=B9?="),
    *(b'"a \\" b" (c (d)) <x@y.example>', b"\xe8\x8d\xb7@\xe4\xbe\x8b.jp", b"<a@xn--fsq.example>", b"2 Mar 26 10:00 PST"),
]  # fmt: skip
_ROWS: Mutator = mutators.inserting(*mail_rows.TOKENS)
_MAIL = (*structured.MAIL, *[_ROWS] * 6)

TARGETS = [
    Target("mail_imap", lambda: MAILS, _MAIL, _mail(), 2.0),
    Target("mail_smtp", lambda: MAILS, _MAIL, _mail(envelope=True), 0.5),
    Target("mail_imported", lambda: MAILS, _MAIL, _mail(imported=True), 0.5),
    Target("mail_mbox", lambda: [b"From a@b Mon Mar  2 10:00:00 2026\n" + mail + b"\n" for mail in MAILS], (*_MAIL, mutators.inserting(b"\nFrom ", b"\n>From ", b"\r\nFrom x")), _mbox, 0.4),
    Target("mail_files", lambda: MAILS, _MAIL, _files, 0.5),
    Target("mail_headers", lambda: _HEADER_SEEDS, (*mutators.TEXT, _ROWS), _words(_headers), 2.0),
    Target("mail_quotes", _bodies(b"wrote:", b"\n>", "写道".encode(), b"From:"), (*mutators.TEXT, _ROWS), _words(_quotes), 1.0),
    Target("charsets", _charset_seeds, mutators.TEXT, _words(_decode), 3.0),
    Target("html", _bodies(b"text/html"), (*mutators.TEXT, *[_HTML] * 4, _HTML_NESTS), _words(lambda raw: markup.to_text(charsets.clean(raw.decode("utf-8", "replace")))), 1.5),
    Target("rtf", lambda: _RTF_SEEDS, (*mutators.TEXT, *[_RTF] * 4, mutators.nesting((b"{", b"}"), (b"{\\field{\\*\\fldinst{", b"}}}"))), _words(lambda raw: rtf.words(raw.decode("latin-1"))), 1.5),
    Target("tnef", _tnef_seeds, mutators.BINARY, _words(_tnef), 3.0),
    Target("icalendar", _bodies(b"BEGIN:VCALENDAR"), (*mutators.TEXT, *[_ICS] * 3), _words(lambda raw: invitations.words(raw.decode("utf-8", "replace"))), 3.0),
    Target("smime", _smime_seeds, mutators.BINARY, _words(lambda raw: smime.signed_content(raw).decode("latin-1")), 1.0),
]  # fmt: skip
