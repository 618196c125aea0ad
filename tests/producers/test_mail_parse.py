"""The one parse of a mail: how often the library's parser runs, and that the short way finds what it finds."""

from __future__ import annotations

import contextlib
import email.feedparser
from email import message_from_bytes
from email.policy import compat32
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producers.mail import mime, parser
from producers.mail.parse import Mail, parse
from producers.mail.reports import delivery_report
from producers.sources.mail_intake import mail_event
from producers.storage.attachments import AttachmentStore
from schemas.dead_letter.headers import InputContext
from schemas.errors import Refused
from schemas.events import DeliveryReported, MessageReceived
from schemas.settings import ProducerSettings

EXAMPLES = sorted((Path(__file__).parents[1] / "examples" / "email").glob("*.eml"))
NOW = 1772445600_000000  # 2026-03-02T10:00:00Z

WORDS_ONLY = b"From: ann@example.org\nSubject: Hi\n\nHello\n"
WITH_FILES = b"""From: ann@example.org
Content-Type: multipart/mixed; boundary=m

--m

Please see the delivery-status of my parcel.
--m
Content-Type: image/png; name=a.png
Content-Transfer-Encoding: base64

AAEC
--m
Content-Type: text/csv; name=b.csv

1,2
--m--
"""
BOUNCE = (EXAMPLES[0].parent / "bounce_from_exchange.eml").read_bytes()


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collects the length of every text that our parser or the library's is given, of whatever class or function."""
    lengths: list[int] = []
    init, feed = email.feedparser.FeedParser.__init__, email.feedparser.FeedParser.feed

    def counted_feed(self: email.feedparser.FeedParser, data: str) -> None:  # type: ignore[type-arg]
        lengths[-1] += len(data)
        feed(self, data)

    def counted_init(self: email.feedparser.FeedParser, *args: object, **kwargs: object) -> None:  # type: ignore[type-arg]
        lengths.append(0)
        init(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(email.feedparser.FeedParser, "__init__", counted_init)
    monkeypatch.setattr(email.feedparser.FeedParser, "feed", counted_feed)
    own_init = parser.Reader.__init__

    def counted_own_init(self: parser.Reader, raw: bytes) -> None:
        lengths.append(len(raw))
        own_init(self, raw)

    monkeypatch.setattr(parser.Reader, "__init__", counted_own_init)
    return lengths


@pytest.mark.parametrize(
    ("raw", "times", "kind"),
    [(WORDS_ONLY, 0, MessageReceived), (WITH_FILES, 1, MessageReceived), (BOUNCE, 1, DeliveryReported)],
    ids=["words only: by the short way", "two attachments, stored", "a bounce"],
)
def test_a_mail_is_parsed_once_per_intake(
    raw: bytes, times: int, kind: type, parsed: list[int], tmp_path: Path
) -> None:
    store = AttachmentStore(str(tmp_path), max_bytes=1000)
    store.prepare()
    event = mail_event(ProducerSettings(), store)(raw, InputContext(received_at=NOW))
    assert type(event) is kind
    assert len(parsed) == times
    stored = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(stored) == (2 if raw is WITH_FILES else 0)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_no_example_is_parsed_twice(path: Path, parsed: list[int], tmp_path: Path) -> None:
    """Only what is found inside of a mail (signed content, other boundaries) is parsed besides, and it is shorter."""
    raw = path.read_bytes()
    store = AttachmentStore(str(tmp_path), max_bytes=10_000_000)
    store.prepare()
    with contextlib.suppress(Refused):
        mail_event(ProducerSettings(), store)(raw, InputContext(received_at=NOW))
    whole = [length for length in parsed if length > 0.95 * len(raw)]
    assert len(whole) <= 1


@given(st.binary(max_size=300))
def test_any_bytes_are_a_mail_or_have_a_problem(raw: bytes) -> None:
    mail = parse(raw)
    assert isinstance(mail, Mail) and mail.raw == raw
    assert delivery_report(mail, now=NOW) is None
    if not raw.strip(b"\r\n \t\x00"):
        assert mail.problem is not None and mail.problem.reason == "empty"


@pytest.mark.parametrize("raw", [b"", b"\r\n\x00 ", b"\xef\xbb\xbf\n", b"\xff\xfe"], ids=repr)
def test_no_bytes_are_an_empty_mail(raw: bytes) -> None:
    mail = parse(raw)
    assert mail.problem is not None and mail.problem.reason == "empty"
    assert (mail.headers, mail.text, mail.files, mail.report) == ({}, "", (), None)


def test_parts_without_end_are_a_problem() -> None:
    raw = b"From: a@b.example\n" + b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(3000)
    )
    mail = parse(raw)
    assert mail.problem is not None and mail.problem.reason == "undecodable_mime"


# -- the short way ------------------------------------------------------------------------------------------------

ends = st.sampled_from([b"\n", b"\r\n"])
names = st.sampled_from([b"From", b"subject", b"X-Long-Name", b"Received", b"Content-Type", b"DATE"])
pieces = st.sampled_from(
    [b"", b"x", b" ", b"\t", b":", b"a@b.example", b"\xe4\xbd", b"=?utf-8?q?=C3=A4?=", b"text/plain", b"\x0b", b"\x0c", b"\x1c", b"\x85"]
)  # fmt: skip
values = st.lists(pieces, max_size=4).map(b"".join)
bodies = st.lists(
    st.sampled_from([b"Hello", b"\n", b"\r\n", b"\r", b"--b\n", b"From x\n", b"\xff\xfe", b"a: b\n", b" "]), max_size=6
).map(b"".join)


@st.composite
def mails_without_parts(draw: st.DrawFn) -> bytes:
    """Headers in every form that is well-formed, some of them folded, and one body."""
    end = draw(ends)
    head = b""
    for _ in range(draw(st.integers(1, 5))):
        head += draw(names) + b":" + draw(st.sampled_from([b"", b" ", b"\t ", b"  "])) + draw(values) + end
        if draw(st.booleans()):
            head += draw(st.sampled_from([b" ", b"\t"])) + b"folded " + draw(values) + end
    return head + end + draw(bodies)


def as_found(message: object) -> tuple[list[tuple[str, str]], object, object]:
    headers = [(name, str(value).replace("\r\n", "\n")) for name, value in message.raw_items()]  # type: ignore[attr-defined]
    return headers, message.get_payload(decode=True), message.is_multipart()  # type: ignore[attr-defined]


def test_the_short_way_finds_what_the_library_finds() -> None:
    taken = 0

    @settings(max_examples=400, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(mails_without_parts())
    def each(raw: bytes) -> None:
        nonlocal taken
        if (mail := mime._without_parts(raw)) is not None:
            taken += 1
            assert as_found(mail) == as_found(message_from_bytes(raw, policy=compat32))

    each()
    assert taken >= 300  # or nothing was compared


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: a\rb\n\nHello",
        b"Subject: a\r\n\rFrom: x@y.example\r\n\r\nHello",
        b"Subject: a\nno header\n\nHello",
        b" folded: first\nSubject: a\n\nHello",
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nHello\n--b--\n",
        b"Content-Type: message/rfc822\n\nSubject: inner\n\nHello",
        b"Subject: no body",
    ],
    ids=["bare CR", "CR before a header", "no colon", "fold first", "parts", "attached mail", "no empty line"],
)
def test_the_library_parses_what_is_not_well_formed(raw: bytes) -> None:
    assert mime._without_parts(raw) is None
    assert as_found(mime.parse_part(raw)) == as_found(message_from_bytes(raw, policy=compat32))


def test_a_bare_cr_in_a_header_ends_its_line() -> None:
    """The library takes it for the end of a line: a sender cannot hide a header from us that others see."""
    mail = parse(b"From: ann@example.org\nSubject: Hi\rX-Loop: yes\n\nHello\n")
    assert mail.headers["subject"] == ["Hi"]
    assert mail.headers["x-loop"] == ["yes"]
