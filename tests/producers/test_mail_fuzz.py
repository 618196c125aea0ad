"""Broken mail: the examples, mutated. Every one becomes an event or is refused; nothing crashes, nothing gets lost.

`make test` runs a short, repeatable choice of it; `make soak` 20,000 new ones.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producers.mail import event as email
from producers.mail.parse import parse
from producers.text import privacy
from schemas import codec
from schemas.errors import Refused

NOW = 1772445600_000000  # 2026-03-02T10:00:00Z
EXAMPLES = [
    path.read_bytes()[:60_000] for path in sorted((Path(__file__).parents[1] / "examples" / "email").glob("*.eml"))
]
#: `too_costly` is the refusal of a Content-Type of more than 10,000 characters, which a mutation makes now and then.
REASONS = {"empty", "too_large", "too_costly", "undecodable_mime", "no_sender"}
SLOWEST_SECONDS = 3.0

TOKENS = [
    b"\n", b"\r", b"\r\n\r\n", b"\x00", b"\xff\xfe", b"\x1b$B", b"\x1b(B", b"--", b"--m\n", b"--m--\n", b">", b"> ", b"=", b"=?utf-8?B?",
    b"?=", b"=\n", b"base64", b"quoted-printable", b"x-uuencode", b"multipart/mixed", b"multipart/alternative", b"multipart/report",
    b"message/rfc822", b"text/html", b"text/calendar", b"text/enriched", b"application/ms-tnef", b"application/pkcs7-mime",
    b"charset=utf-16", b"charset=utf-7", b"charset=gb2312", b"charset=big5", b"charset=iso-2022-jp", b"charset=shift_jis", b"charset=hz",
    b"format=flowed; delsp=yes", b"boundary=m", b'boundary="', b"Content-Type: ", b"Content-Transfer-Encoding: base64\n", b"From: ", b"Subject : ",
    b"<a@b.example>", b'"', b"<", b"(", b"\xe4\xbd", b"\xf0\x9f", b"-----BEGIN PGP SIGNED MESSAGE-----\n", b"-----BEGIN PGP SIGNATURE-----",
    b"begin 644 x\n", b"\nend\n", b"-- \n", "写道：".encode(), "差出人: x\n送信日時: y\n宛先: z\n".encode(), b"<div style='display:none'>", b"<blockquote>",
    b"<!--", b"4111 1111 1111 1111", b"\x9f\x3e\x22\x78", b"filename*0*=utf-8''%ff", b";", b"BEGIN:VEVENT\nSUMMARY:", b"Date: 9999-99-99\n",
]  # fmt: skip

Change = Callable[[bytes], bytes]
places, lengths = st.floats(0, 1, exclude_max=True), st.integers(1, 400)


def _cut(place: float, length: int) -> Change:
    return lambda raw: raw[: int(place * len(raw))] + raw[int(place * len(raw)) + length :]


def _repeat(place: float, length: int) -> Change:
    def change(raw: bytes) -> bytes:
        at = int(place * len(raw))
        return raw[: at + length] + raw[at : at + length] * 3 + raw[at + length :]

    return change


def _insert(place: float, token: bytes) -> Change:
    return lambda raw: raw[: int(place * len(raw))] + token + raw[int(place * len(raw)) :]


def _flip(place: float, byte: int) -> Change:
    def change(raw: bytes) -> bytes:
        at = int(place * len(raw))
        return raw[:at] + bytes((byte,)) + raw[at + 1 :]

    return change


def _end(place: float) -> Change:
    return lambda raw: raw[: int(place * len(raw))]


def _cross(place: float, other: bytes) -> Change:
    """The head of one and the tail of another."""
    return lambda raw: raw[: int(place * len(raw))] + other[int(place * len(other)) :]


def _lines_swapped(place: float) -> Change:
    def change(raw: bytes) -> bytes:
        lines = raw.splitlines(keepends=True)
        at = int(place * len(lines))
        return b"".join([*lines[at:], *lines[:at]])

    return change


def _wrapped(kind: bytes) -> Change:
    """The whole of it as a part of another mail."""
    return lambda raw: (
        b"From: o@o.example\nContent-Type: multipart/mixed; boundary=W\n\n--W\nContent-Type: "
        + kind
        + b"\n\n"
        + raw
        + b"\n--W--\n"
    )


examples = st.sampled_from(EXAMPLES)
changes = st.one_of(
    st.builds(_cut, places, lengths),
    st.builds(_repeat, places, lengths),
    st.builds(_insert, places, st.sampled_from(TOKENS)),
    st.builds(_insert, places, st.binary(min_size=1, max_size=20)),
    st.builds(_flip, places, st.integers(0, 255)),
    st.builds(_end, places),
    st.builds(_cross, places, examples),
    st.builds(_lines_swapped, places),
    st.builds(_wrapped, st.sampled_from([b"message/rfc822", b"text/plain; charset=gb18030", b"application/ms-tnef"])),
)


@st.composite
def broken_mails(draw: st.DrawFn) -> bytes:
    raw = draw(examples)
    for change in draw(st.lists(changes, min_size=1, max_size=6)):
        raw = change(raw)
    return raw


def outcome(raw: bytes) -> str:
    """`event` or the reason of the refusal; fails for anything that must not be."""
    began = time.thread_time()
    try:
        event = email.normalise(raw, now=NOW)
    except Refused as refused:
        assert refused.reason in REASONS
        return refused.reason
    assert time.thread_time() - began < SLOWEST_SECONDS
    assert codec.decode(codec.encode(event)) == event
    assert event.event_id == email.normalise(raw, now=NOW + 7).event_id
    assert event.customer_tag and event.address and event.channel == "email"
    shown = [
        event.text,
        event.full_text,
        event.subject,
        event.customer_name,
        *(each.name for each in event.attachments),
    ]
    assert all(privacy.mask(words) == words for words in shown)
    contents = [file.content() for file in parse(raw).files]
    assert [len(data) for data in contents] == [each.size_bytes for each in event.attachments]
    return "event"


@settings(max_examples=1500, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(broken_mails())
def test_a_broken_mail_becomes_an_event_or_is_refused(raw: bytes) -> None:
    outcome(raw)


@pytest.mark.soak
def test_20_000_broken_mails_become_events_or_are_refused() -> None:
    outcomes: Counter[str] = Counter()

    @settings(max_examples=20_000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(broken_mails())
    def each(raw: bytes) -> None:
        outcomes[outcome(raw)] += 1

    each()
    print(dict(outcomes))
    assert outcomes.total() >= 20_000
    assert outcomes["event"] > 10_000
