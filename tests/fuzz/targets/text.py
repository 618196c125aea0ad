"""Texts of customers after their channel: masking, language, tags, guards, templates, names of files."""

from __future__ import annotations

import re
from collections.abc import Callable

from producers.mail.attachments import clean_name
from producers.mail.event import MAX_FULL_TEXT
from producers.text import fields, locales, privacy
from schemas import identity, safe_html
from schemas.errors import Refused
from sinks.delivery import split
from stream_processors.rules import loop_guards, ruleset, templates
from stream_processors.text import language, sms
from tests.fuzz import mutators
from tests.fuzz.target import EXAMPLES, Target
from tests.fuzz.targets.mail import MAILS

NOW = 1_772_445_600_000_000  # 2026-03-02T10:00:00Z


def _texts() -> list[bytes]:
    """Returns the texts of the tagging examples, and the bodies of some mails."""
    found: list[bytes] = []
    for path in sorted((EXAMPLES / "tagging").glob("*.yaml")):
        for line in path.read_text("utf-8").splitlines():
            words = line.strip().lstrip("- ").strip("\"'")
            if len(words) > 12:
                found.append(words.encode())
    return found[::3] + [mail.partition(b"\n\n")[2][:3_000] for mail in MAILS[::6]]


_CARDS = [
    b"my card is 4111 1111 1111 1111 thanks", b"4111-1111-1111-1111", "４１１１　１１１１　１１１１　１１１１".encode(), b"order 1234567890 and 5500000000000004", b"5 5 5 5 5 5 5 5 5 5 5 5 5",
    b"4111=20=\r\n1111%201111 1111", b'{"sender_id": "5105105105105100", "text": "4012888888881881"}', b"From=%2B4111111111111111&Body=4111+1111+1111+1111", b"378282246310005 / 6011\n1111\n1111\n1117",
]  # fmt: skip
_DIGITS = mutators.inserting(
    b"4111",
    b"1111",
    b" ",
    b"-",
    b"%20",
    b"\n",
    b"5",
    b"=\r\n",
    b"\\u00a0",
    "\u200b".encode(),
    "１１".encode(),
    b'"id": "',
    b"&From=",
    b"|",
    b"*",
)


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


#: Longer texts are masked once, as their callers do: the measure is of one call.
_COMPARED_CHARACTERS = 50_000


def _mask() -> Callable[[bytes], str]:
    def take(raw: bytes) -> str:
        text = _decoded(raw)[: MAX_FULL_TEXT + privacy.MARGIN]  # no longer text is masked
        masked = privacy.mask(text)
        assert len(masked) == len(text)
        if len(text) <= _COMPARED_CHARACTERS:
            assert privacy.mask(masked) == masked
        return "masked" if masked != text else "same"

    return take


def _mask_bytes() -> Callable[[bytes], str]:
    def take(raw: bytes) -> str:
        raw = raw[: privacy.maskable(raw)]
        masked = privacy.mask_bytes(raw)
        if len(raw) <= _COMPARED_CHARACTERS:
            privacy.mask_bytes(raw, keep_ids=True)
            assert privacy.mask_bytes(masked) == masked
        return "masked" if masked != raw else "same"

    return take


def _tagger() -> Callable[[bytes], str]:
    rules = ruleset.load()

    def take(raw: bytes) -> str:
        text = fields.prose(_decoded(raw))
        subject = fields.prose(text[:200])
        language.detect(text, "ja" if len(raw) % 2 else "")
        language.normalise(text)
        reading = rules.taxonomy.read(text, subject)
        loop_guards.subject_fingerprint(subject)
        rules.policies.thanks.only(text, subject)
        return f"{min(len(reading.matches), 3)} tags"

    return take


def _small_texts() -> Callable[[bytes], str]:
    """Reads what is short: addresses, ids, names of files, zones, locales, references to tickets."""

    def take(raw: bytes) -> str:
        text = _decoded(raw)
        name = clean_name(text)
        assert "/" not in name and "\\" not in name and len(name) <= 200
        fields.address_problem(text)
        fields.time_zone_problem(text)
        fields.identifier(text)
        locales.locale_hint(text)
        locales.negotiated(text)
        identity.ticket_in_mail(text, [text], [text])
        identity.split_ticket_id(text)
        for kind in ("email", "tel", "chat", "ext"):
            identity.canonical_customer_id(kind, text)
        sms.units(text[:2_000])
        try:
            fields.moment(text, now=NOW)
        except (Refused, ValueError):
            return "no moment"
        return "moment"

    return take


def _split() -> Callable[[bytes], str]:
    """Splits an answer into the parts of an SMS, and shows a customer's own words in a template."""

    def take(raw: bytes) -> str:
        text = fields.prose(_decoded(raw))
        words = templates.own_words(text, 200)
        assert len(words) <= 203
        parts = split.split(text, 1_500, 5)
        assert 1 <= len(parts) <= 5 and all(len(part) <= 1_500 for part in parts)
        return f"{len(parts)} parts"

    return take


def _reply_html() -> Callable[[bytes], str]:
    """Cleans the HTML of an answer: what is clean stays as it is, and nothing that runs or is fetched gets through."""

    def take(raw: bytes) -> str:
        cleaned = safe_html.clean(_decoded(raw)[: fields.MAX_TEXT])
        assert safe_html.clean(cleaned) == cleaned
        assert not _LIVE.search(cleaned)
        said = safe_html.to_text(cleaned)
        assert safe_html.to_text(safe_html.from_text(said)).split() == said.split()
        return "nothing" if not said else "page"

    return take


_LIVE = re.compile(
    r"<(?:script|style|svg|iframe|form|meta|link|base)\b"
    r'|<[a-z0-9]+(?: [a-z]+="[^"]*")*(?: (?:style|srcset|on[a-z]+)=| src="(?!cid:)| href="(?!https?:|mailto:|tel:))',
    re.IGNORECASE,
)
_PAGES = [
    b"<p>Dear Ann,</p><ul><li>one</li><li>two</li></ul><p><img src='cid:1' alt='photo'> <a href='https://shop.example/?a=1&amp;b=2'>shop</a></p>",
    b"<table><tr><td>a</td><td><pre>\n\nb</pre></td></tr></table><blockquote><p>q<br>r</p></blockquote><hr><h2>x</h2>",
    b"<svg><style><img src=x onerror=alert(1)></style></svg><math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1&gt;'>",
    b"<a href='java\tscript:x'>a</a><img src='//t.example/p.gif' alt='b'><p style='display:none' onclick=x>c</p><form><noscript><p title='</noscript>'>",
]  # fmt: skip
_TAGS = mutators.inserting(
    b"<p>", b"</p>", b"<table>", b"<svg>", b"</svg>", b"<math>", b"<style>", b"<!--", b"-->", b"<pre>\n", b"<a href='https://x.example'>", b"</a>",
    b"<img src=cid:1>", b"<blockquote>", b"<![CDATA[", b"<select>", b"<template>", b"&lt;", b"&nbsp;", b"\"", b"'", b"<b>", b"</b>", b"<li>", b"<noscript>",
)  # fmt: skip

_SHORT = [
    b"ann@example.org", b"o'neill+x@Example.ORG", b"Asia/Tokyo", b"zh-Hant;q=0.8, ja", b"[ABCDEFGHIJKL-12] Re: x", b"<ABCDEFGHIJKL-1.x@shop.example>", b"+819012345678", b"bill.pdf",
    b"2026-03-02T10:00:00+09:00", b"support+ABCDEFGHIJKL-1@shop.example", "荷物@例.jp".encode(), b"../../../etc/passwd\x00.png", b"2026-03-02T10:00:60Z", b"Etc/GMT-9",
]  # fmt: skip

TARGETS = [
    Target("masking", lambda: _CARDS, (*mutators.TEXT, *[_DIGITS] * 8), _mask, 3.0),
    Target("masking_bytes", lambda: _CARDS + MAILS[::20], (*mutators.TEXT, *[_DIGITS] * 8), _mask_bytes, 2.0),
    Target("tagger", _texts, mutators.TEXT, _tagger, 2.0),
    Target("short_texts", lambda: _SHORT, mutators.TEXT, _small_texts, 3.0),
    Target("reply_html", lambda: _PAGES, (*mutators.TEXT, *[_TAGS] * 8), _reply_html, 2.0),
    Target("own_words", _texts, mutators.TEXT, _split, 1.0),
]
