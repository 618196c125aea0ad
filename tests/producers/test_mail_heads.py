"""Mails whose heads broke on the way are read as the whole ones; the reason of a refusal is the true one."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producers.mail import event as email
from producers.mail import mended, parser
from producers.mail.content_type import plain_content_type
from producers.sources.smtp import with_envelope
from schemas.errors import Refused
from tests.producers.test_mail_parser import EXAMPLES, tree
from tests.support.each import each
from tests.support.producers.mail_heads import BREAKS, Whole, broken_heads, whole_mails

NOW = 1772445600_000000  # 2026-03-02T10:00:00Z
#: Examples of other things than broken heads and boundaries.
WELL_FORMED = [
    path
    for path in EXAMPLES
    if not path.stem.startswith(
        ("broken_", "body_", "boundary_", "content_type_nonsense", "empty_lines_before_", "space_before_")
    )
]


def read(raw: bytes) -> tuple[str, str, str]:
    event = email.normalise(raw, now=NOW)
    return event.address, event.subject, event.text


@settings(max_examples=900, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(broken_heads())
def test_a_broken_head_is_read_as_the_whole_one(drawn: tuple[str, Whole, bytes]) -> None:
    _, mail, raw = drawn
    assert read(raw) == (mail.sender, mail.subject, mail.text)


@settings(max_examples=200, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(broken_heads())
def test_a_broken_head_below_an_envelope_is_read_as_well(drawn: tuple[str, Whole, bytes]) -> None:
    """Words and a blank line above the head are its exception: below the envelope they are the body of a mail without a head."""
    name, mail, raw = drawn
    if name != "words and a blank line above":
        assert read(with_envelope(raw, "bounce@z.example", ["support@support.example"])) == (
            mail.sender,
            mail.subject,
            mail.text,
        )


@settings(max_examples=300, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(whole_mails, st.lists(st.tuples(st.sampled_from(sorted(BREAKS)), st.integers(1, 7)), min_size=2, max_size=3))
def test_no_mixture_of_breaks_makes_up_a_sender(mail: Whole, breaks: list[tuple[str, int]]) -> None:
    """Two breaks may hide a head for good; then the mail is refused, and nobody else is its sender."""
    for name, at in breaks:
        head, _, body = BREAKS[name](mail, at).replace(b"\r\n", b"\n").partition(b"\n\n")
        mail = mail._replace(head=tuple(re.split(rb"\n(?![ \t])", head)), body=body)
    try:
        assert read(b"\n".join(mail.head) + b"\n\n" + mail.body)[0] == mail.sender
    except Refused as refused:
        assert refused.reason in ("no_sender", "undecodable_mime")


@each("path", WELL_FORMED)
def test_what_is_well_formed_is_read_as_the_library_reads_it(path: Path) -> None:
    raw = path.read_bytes()
    assert tree(mended.read_mended(raw)) == tree(parser.read_entity(raw))


HEAD = b"From: Ann <a@x.example>\nTo: support@support.example\nSubject: Hi\n"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (HEAD + b"Hello, the blank line is lost\nPlease help\n", "Hello, the blank line is lost\nPlease help"),
        (HEAD + b"Hello there\n\nFrom: Bob <b@y.example>\nSubject: Other\n", "Hello there\n\nFrom: Bob <b@y.example>\nSubject: Other"),
        (HEAD + b"\nFrom: Bob <b@y.example>\nTo: c@z.example\nSubject: Other\n\nWhat is it?\n", "From: Bob <b@y.example>\nTo: c@z.example\nSubject: Other\n\nWhat is it?"),
        (HEAD + b"\nContent: five lamps\nColour: red\n", "Content: five lamps\nColour: red"),
        (HEAD + b"\nDate: Friday\nSize: 42\n\nIs that right?\n", "Date: Friday\nSize: 42\n\nIs that right?"),
        (HEAD + b"What I ordered:\nDate: Friday\nCc: red\nReferences: none\n", "What I ordered:\nDate: Friday\nCc: red\nReferences: none"),
        (HEAD + b"X-Long: " + b"x" * 70 + b"\n" + b"y" * 70 + b"\nis the first line\n", "y" * 70 + "\nis the first line"),
        (HEAD + b" \t\nEstimados:\nNote: it is broken\n\nAnn\n", "Estimados:\nNote: it is broken\n\nAnn"),
        (HEAD + b"  \r\nHello\r\n", "Hello"),
        (HEAD + b"One\nTwo\nThree\nFour\nFive\nX-Mailer: y\n\nSix\n", "One\nTwo\nThree\nFour\nFive\nX-Mailer: y\n\nSix"),
    ],
    ids=["no blank line", "a pasted head", "a pasted head first", "a list of words", "a form", "a form, no blank line", "long lines", "a white line", "a white line, CR LF", "many lines"],
)  # fmt: skip
def test_words_of_the_body_stay_in_the_body(raw: bytes, text: str) -> None:
    event = email.normalise(raw, now=NOW)
    assert (event.address, event.subject, event.full_text) == ("a@x.example", "Hi", text)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty"),
        (b"\n \t\r\n\x00", "empty"),
        (b"Hello, where is my order?\n", "undecodable_mime"),
        (b"Question: where is my order?\n\nAnn\n", "undecodable_mime"),
        (b"Subject: Hi\n\nHello\n", "no_sender"),
        (b"Cc: b@y.example\n\nHello\n", "no_sender"),
        (b"Content-Type: text/plain\n\nHello\n", "no_sender"),
        (b"X-Mailer: y\n\nHello\n", "no_sender"),
        (b"garbage\nSubject: Hi\n\nHello\n", "no_sender"),
        (b"From: nobody\nSubject: Hi\n\nHello\n", "no_sender"),
        (b"From: a@x.example\n" + b"A: b\n" * 20_001 + b"\nHello\n", "too_costly"),
    ],
    ids=["nothing", "blanks", "words", "a form", "no From", "only Cc", "only a type", "only X-", "garbage", "From nobody", "too many"],
)  # fmt: skip
def test_the_reason_of_a_refusal_is_the_true_one(raw: bytes, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        email.normalise(raw, now=NOW)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("text/plain; charset=utf-8", None),
        ("text/html charset=utf-8", "text/html; charset=utf-8"),
        ('"text/html"; charset=utf-8', "text/html; charset=utf-8"),
        ("text / html;; charset=utf-8", "text/html; charset=utf-8"),
        ("html", "text/html"),
        ("multipart; boundary=m", "multipart/mixed; boundary=m"),
        ("nonsense", None),
        ("text/plain (a comment); charset=utf-8", "text/plain; charset=utf-8"),
    ],
)
def test_a_content_type_is_read_as_it_was_meant(value: str, meant: str | None) -> None:
    assert plain_content_type(value) == meant


@pytest.mark.parametrize(
    "piece",
    [
        b"x\nX-A: b\n",
        b">From a\nfoo: b\n",
        b"\nfoo: b\n",
        b"x\n\n",
        b" \n",
        b" \nX-A: b\n",
        b"Subject : x\n",
        b"Content-Type:\n",
    ],
)
def test_a_long_broken_head_is_read_at_once(piece: bytes) -> None:
    began = time.process_time()
    for raw in (
        HEAD + piece * 20_000,
        piece * 20_000,
        HEAD + b"Content-Type: multipart/mixed; boundary=m\n\n" + (b"--m\n" + piece * 3) * 4_000,
    ):
        try:
            email.normalise(raw, now=NOW)
        except Refused as refused:
            assert refused.reason in ("empty", "too_costly", "no_sender", "undecodable_mime")
    assert time.process_time() - began < 3.0
