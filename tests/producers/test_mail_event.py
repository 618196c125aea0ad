"""The event of a mail beyond the examples: identity, history, limits, headers; no bytes break the normaliser."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from producers.mail import charsets
from producers.mail import event as email
from producers.mail.parse import parse
from producers.text import privacy
from schemas import codec, identity
from schemas.errors import Refused
from schemas.events import MessageReceived

NOW = 1772445600_000000  # 2026-03-02T10:00:00Z
HEAD = b"From: Ann <ann@example.org>\nMessage-ID: <1@example.org>\n"


def mail(extra: bytes = b"", body: bytes = b"Hello\n", head: bytes = HEAD) -> bytes:
    return head + extra + b"\n" + body


def test_the_same_mail_delivered_over_two_routes_is_one_event() -> None:
    first = email.normalise(mail(b"Received: by a; Mon, 2 Mar 2026 09:00:00 +0000\n"), now=NOW)
    second = email.normalise(mail(b"Received: by b; Mon, 2 Mar 2026 09:00:05 +0000\n"), now=NOW + 5_000_000)
    assert first.event_id == second.event_id


def test_another_sender_cannot_use_up_a_message_id() -> None:
    mallory = mail(head=b"From: mallory@example.com\nMessage-ID: <1@example.org>\n")
    assert email.normalise(mail(), now=NOW).event_id != email.normalise(mallory, now=NOW).event_id


def test_without_a_message_id_the_raw_bytes_identify_a_mail() -> None:
    one, other = mail(head=b"From: a@b.example\n"), mail(head=b"From: a@b.example\n", body=b"Hello?\n")
    assert email.normalise(one, now=NOW).event_id == email.normalise(one, now=NOW + 1).event_id
    assert email.normalise(one, now=NOW).event_id != email.normalise(other, now=NOW).event_id


def test_a_reply_has_the_key_of_its_ticket_not_of_its_sender() -> None:
    event = email.normalise(mail(b"To: support+QWERTYUIOPAS-3@support.example\n"), now=NOW)
    assert (event.ticket_ref, event.customer_tag) == ("QWERTYUIOPAS-3", "QWERTYUIOPAS")
    assert event.customer_id == "email:ann@example.org"


def test_without_a_ticket_the_key_is_the_senders_in_any_case() -> None:
    event = email.normalise(mail(head=b"From: ANN@Example.org\nMessage-ID: <1@example.org>\n"), now=NOW)
    assert event.customer_tag == identity.customer_tag("email:ann@example.org")


@pytest.mark.parametrize(
    ("headers", "occurred"),
    [
        (b"Date: Sun, 1 Feb 2026 12:00:00 +0100\n", 1769943600_000000),
        (b"Received: by x; Sun, 1 Feb 2026 12:00:00 +0000\n", 1769947200_000000),
        (b"Date: Mon, 2 Mar 2026 23:00:00 +0000\n", NOW),  # its clock is ahead: not after it was received
        (b"", NOW),
    ],
    ids=["its date", "the newest hop without a date", "never in the future", "now when nothing says"],
)
def test_an_imported_mail_happened_when_its_headers_say(headers: bytes, occurred: int) -> None:
    event = email.normalise(mail(headers), now=NOW, imported=True)
    assert (event.occurred_at, event.received_at, event.imported) == (occurred, NOW, True)


def test_a_mail_of_no_named_source_has_none() -> None:
    assert email.message_received(parse(mail()), now=NOW).source == ""


def test_a_mail_above_the_limit_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        email.normalise(mail(body=b"x" * 1000), now=NOW, max_bytes=500)
    assert refused.value.reason == "too_large"


def test_a_long_text_is_cut_and_says_so() -> None:
    event = email.normalise(mail(body=b"word " * 60_000), now=NOW)
    assert (len(event.text), len(event.full_text)) == (email.MAX_TEXT, email.MAX_FULL_TEXT)
    assert event.fields == {"truncated": "text"}


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Type: text/html\n\n" + b"<div>" * 80_000,
        b"Content-Type: text/html\n\n" + b"&" * 400_000,
        b"Content-Type: text/html\n\n" + b"<" * 400_000,
        b"\n" + b" \n" * 100_000 + b"x",
        b"\n" + b"On 1 a b c wrote \n" * 12_000,
        b"\n" + b"From: a\n" * 25_000,
        b"\n" + b"4 " * 100_000,
        b"Subject: " + b"=?utf-8?B?" * 20_000 + b"\n\nx",
        b"To: " + b"<a@b.example>," * 20_000 + b"\n\nx",
        b"References: " + b"<" * 200_000 + b"\n\nx",
    ],
    ids=["deep html", "ampersands", "angles", "blank lines", "wrote", "header lines", "digits", "words", "to", "refs"],
)
def test_no_mail_takes_long(body: bytes) -> None:
    started = time.process_time()
    email.normalise(HEAD + body, now=NOW)
    assert time.process_time() - started < 3.0


def test_endlessly_nested_parts_never_crash() -> None:
    raw = HEAD
    for level in range(1200):
        raw += b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (level, level)
    try:
        assert isinstance(email.normalise(raw + b"\nHello", now=NOW), MessageReceived)
    except Refused as refused:
        assert refused.reason == "undecodable_mime"


def an_event_or_refused(raw: bytes) -> None:
    try:
        event = email.normalise(raw, now=NOW)
    except Refused as refused:
        assert refused.reason in {"empty", "too_large", "undecodable_mime", "no_sender"}
    else:
        assert event.event_id == email.normalise(raw, now=NOW + 7).event_id
        assert codec.decode(codec.encode(event)) == event


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=600))
def test_any_bytes_become_an_event_or_are_refused(raw: bytes) -> None:
    an_event_or_refused(raw)


pieces = st.sampled_from(
    [
        b"From: ", b"To: ", b"Subject: ", b"Date: ", b"Message-ID: ", b"References: ", b"Content-Type: ", b"\n", b"\n\n",
        b"multipart/mixed; boundary=b", b"multipart/alternative; boundary=\"b\"", b"text/html; charset=", b"utf-8", b"utf-16",
        b"iso-2022-jp", b"\x1b$B", b"gb2312", b"hz-gb-2312", b"utf-7", b"--b", b"--b--", b"message/rfc822", b"=?", b"?B?", b"?Q?", b"?=",
        b"=?utf-8?Q?=E4?=", b"<a@b.example>", b"a@b.example", b"\xe4\xbd\xa0", b"\xff", b"\x00", b"Content-Transfer-Encoding: base64\n",
        b"Content-Disposition: attachment; filename*=utf-8''%ff", b"filename*0*=x", b"> ", b"-- \n", b"<div>", b"&#xffffffff;", b"&#0;",
        b"Mon, 2 Mar 2026 10:00:00 +9999", b"99999999999999", b"\xed\xa0\x80", b"uuencode", b"begin 644 x\n", b"format=flowed", b";", b"\"",
    ]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(pieces, max_size=40).map(b"".join))
def test_any_mixture_of_pieces_becomes_an_event_or_is_refused(raw: bytes) -> None:
    an_event_or_refused(b"From: Ann <ann@example.org>\n" + raw)
    an_event_or_refused(raw)


texts = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=200)


@settings(max_examples=100, deadline=None)
@example("ā", "ā", "gb18030")
@given(texts, texts, st.sampled_from(["utf-8", "utf-16", "utf-7", "gb18030", "utf-32-le"]))
def test_what_was_sent_well_is_read_back(subject: str, body: str, charset: str) -> None:
    def encoded(text: str) -> bytes:
        return base64.b64encode(text.encode(charset))

    subject, body = f"Q{subject}Q", f"Q{body}Q"
    raw = b"From: a@b.example\nSubject: =?%b?B?%b?=\n" % (charset.encode(), encoded(subject))
    raw += b"Content-Type: text/plain; charset=%b\nContent-Transfer-Encoding: base64\n\n" % charset.encode()
    event = email.normalise(raw + encoded(body), now=NOW)
    assert event.full_text == privacy.mask(charsets.clean(body))
    assert event.subject == privacy.mask(charsets.clean(subject))


@pytest.mark.parametrize("count", [99, 100, 101])
def test_the_newest_hundred_references_are_kept(count: int) -> None:
    ids = [f"<{number}@example.org>" for number in range(count)]
    event = email.normalise(f"From: ann@example.org\nReferences: {' '.join(ids)}\n\nHi".encode(), now=NOW)
    assert event.references == ids[-100:]


@pytest.mark.parametrize("count", [49, 50, 51])
def test_the_first_fifty_recipients_are_kept(count: int) -> None:
    to = [f"r{number}@support.example" for number in range(count)]
    lines = "".join(f"To: {', '.join(to[at : at + 10])}\n" for at in range(0, count, 10))
    event = email.normalise(f"From: ann@example.org\n{lines}\nHi".encode(), now=NOW)
    assert event.recipients == to[:50]


@pytest.mark.parametrize("length", [999, 1000, 1001])
def test_a_subject_keeps_a_thousand_characters(length: int) -> None:
    event = email.normalise(f"From: ann@example.org\nSubject: {'x' * length}\n\nHi".encode(), now=NOW)
    assert len(event.subject) == min(length, 1000)


@pytest.mark.parametrize(
    ("subject", "read"),
    [
        (b"Hi\rX-Loop: yes", "Hi"),
        (b"=?utf-8?q?Hi=0DX-Loop:_yes?=", "Hi X-Loop: yes"),
        (b"=?utf-8?q?Hi=0D=0AX-Loop:_yes?=", "Hi X-Loop: yes"),
        (b"Hi\r\n\tagain", "Hi again"),
        (b"=?utf-8?b?SGkNb25jZQ==?=", "Hi once"),
        (b"H\xe9\x0b\x0c\x85", "H\xe9…"),
    ],
    ids=["bare CR", "encoded CR", "encoded CRLF", "folded", "base64 CR", "other line ends"],
)
def test_a_subject_is_one_line(subject: bytes, read: str) -> None:
    event = email.normalise(b"From: ann@example.org\nSubject: " + subject + b"\n\nHi", now=NOW)
    assert event.subject == read
    assert event.headers.get("x-loop", "") == ("yes" if read == "Hi" else "")


@pytest.mark.parametrize(
    "name",
    [
        "Auto-Submitted", "Feedback-ID", "List-Id", "List-Post", "List-Unsubscribe", "Precedence", "Return-Path", "Sender",
        "X-Auto-Reply-From", "X-Auto-Response-Suppress", "X-Autoreply", "X-Autorespond", "X-Autoresponder",
        "X-Failed-Recipients", "X-Loop", "X-Spam-Flag",
    ],
)  # fmt: skip
def test_the_headers_of_loop_guards_are_kept(name: str) -> None:
    event = email.normalise(mail(f"{name}: a@b.example\nX-Other: 1\n".encode()), now=NOW)
    assert event.headers == {name.lower(): "a@b.example"}


@pytest.mark.parametrize("kind", ["multipart/report", "message/delivery-status", "message/disposition-notification"])
def test_the_content_type_of_a_report_is_kept(kind: str) -> None:
    assert email.normalise(mail(f"Content-Type: {kind}\n".encode()), now=NOW).headers == {"content-type": kind}
    assert email.normalise(mail(b"Content-Type: text/plain\n"), now=NOW).headers == {}


@pytest.mark.parametrize("name", ["From", "Sender", "Reply-To", "Return-Path"])
def test_any_of_four_headers_names_the_sender(name: str) -> None:
    event = email.normalise(f"{name}: Ann <Ann@example.org>\nSubject: Hi\n\nHi".encode(), now=NOW)
    assert (event.address, event.customer_name, event.customer_id) == (
        "Ann@example.org",
        "Ann",
        "email:ann@example.org",
    )


def test_the_answer_goes_to_reply_to_and_the_customer_is_the_sender() -> None:
    event = email.normalise(mail(b"Reply-To: Desk <desk@example.org>\n"), now=NOW)
    assert (event.address, event.customer_id) == ("desk@example.org", "email:ann@example.org")


@pytest.mark.parametrize("name", ["To", "Cc", "Delivered-To", "X-Original-To", "Envelope-To"])
def test_recipients_are_kept_once_in_lower_case(name: str) -> None:
    event = email.normalise(
        mail(f"{name}: A@Support.example, a@support.example, T+X@support.example\n".encode()), now=NOW
    )
    assert event.recipients == ["a@support.example", "T+X@support.example"]


@pytest.mark.parametrize(
    ("date", "zone"),
    [
        ("Mon, 2 Mar 2026 18:00:00 +0900", "Etc/GMT-9"), ("Mon, 2 Mar 2026 03:00:00 -0600", "Etc/GMT+6"),
        ("Mon, 2 Mar 2026 09:00:00 +0000", ""), ("Mon, 2 Mar 2026 14:30:00 +0530", ""),
        ("Mon, 2 Mar 2026 23:00:00 +1400", "Etc/GMT-14"), ("Tue, 3 Mar 2026 00:00:00 +1500", ""),
        ("Sun, 1 Mar 2026 21:00:00 -1200", "Etc/GMT+12"), ("Sun, 1 Mar 2026 20:00:00 -1300", ""),
        ("Mon, 2 Mar 2026 18:00:00 JST", "Etc/GMT-9"), ("nonsense", ""),
    ],
)  # fmt: skip
def test_the_offset_of_the_date_is_the_time_zone(date: str, zone: str) -> None:
    assert email.normalise(mail(f"Date: {date}\n".encode()), now=NOW).time_zone == zone
