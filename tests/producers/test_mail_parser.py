"""Our parser of mails finds what the standard library's finds, and refuses what would cost too much."""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message
from email.policy import compat32
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producers.mail import parser
from producers.mail.parse import parse
from schemas.errors import Refused
from tests.support.each import each

EXAMPLES = sorted((Path(__file__).parents[1] / "examples" / "email").glob("*.eml"))
HEAD = b"From: a@b.example\n"
MULTIPART = HEAD + b"Content-Type: multipart/mixed; boundary=m\n\n"

PIECES = [
    b"--m\n", b"--m\r\n", b"--m \n", b"--m--\n", b"--m--\r\n", b"--n\n", b"--n--\n", b"--\n", b"----\n", b"--m----\n", b"\n", b"\r\n", b"\r", b"\n\n",
    b"a: b\n", b" fold\n", b":x\n", b"text\n", b"text", b"\xff", b"Content-Type: text/plain\n", b"Content-Type: multipart/mixed\n",
    b"Content-Type: multipart/mixed; boundary=m\n", b'Content-Type: multipart/alternative; boundary="n"\n', b'Content-Type: multipart/mixed; boundary=""\n',
    b"Content-Type: multipart/digest; boundary=n\n", b'Content-Type: multipart/mixed; boundary="m--"\n', b"Content-Type: message/rfc822\n",
    b"Content-Type: message/partial\n", b"Content-Type: message/delivery-status\n",
]  # fmt: skip


def tree(message: Message) -> tuple[str, list[tuple[str, str]], object]:
    headers = [(name, str(value)) for name, value in message.raw_items()]  # type: ignore[attr-defined]
    payload = message.get_payload()
    inside = [tree(part) for part in payload] if isinstance(payload, list) else payload  # type: ignore[arg-type]
    return message.get_content_type(), headers, inside


def reports_parts(message: Message) -> bool:
    """Says if a block of a delivery report announces parts; we read no parts there."""
    payload = message.get_payload()
    if not isinstance(payload, list):
        return False
    blocks = payload if message.get_content_type() == "message/delivery-status" else []
    kinds = {block.get_content_maintype() for block in blocks}  # type: ignore[union-attr]
    return bool(kinds & {"message", "multipart"}) or any(reports_parts(part) for part in payload)  # type: ignore[arg-type]


@each("path", EXAMPLES)
def test_an_example_has_the_parts_that_the_library_finds(path: Path) -> None:
    raw = path.read_bytes()
    assert tree(parser.read_entity(raw)) == tree(message_from_bytes(raw, policy=compat32))


@settings(max_examples=1500, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(PIECES), max_size=25).map(b"".join))
def test_boundaries_in_any_order_make_the_parts_of_the_library(raw: bytes) -> None:
    found = message_from_bytes(raw, policy=compat32)
    if not reports_parts(found):
        assert tree(parser.read_entity(raw)) == tree(found)


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"From me Mon\nA: b\n\nHello", ([("A", "b")], "Hello")),
        (b"A: b\nFrom me Mon\nHello", ([("A", "b")], "From me Mon\nHello")),
        (b"A: b\nFrom me Mon\n fold\nC: d\n\nHello", ([("A", "b"), ("C", "d")], "Hello")),
    ],
    ids=["above the headers", "the first line of the body", "between headers"],
)
def test_a_from_line_is_no_header(raw: bytes, found: tuple[object, object]) -> None:
    entity = parser.read_entity(raw)
    assert (list(entity.raw_items()), entity.get_payload()) == found
    assert tree(entity) == tree(message_from_bytes(raw, policy=compat32))


def test_the_headers_alone_are_read_up_to_the_blank_line() -> None:
    entity = parser.read_headers(b"A: b\nC: d\n e\n\nF: g\n")
    assert list(entity.raw_items()) == [("A", "b"), ("C", "d\n e")]


def parts(count: int) -> bytes:
    return MULTIPART + b"--m\n\nx\n" * count


def nested(depth: int) -> bytes:
    return HEAD + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(depth))


@pytest.mark.parametrize(
    ("allowed", "refused", "reason"),
    [
        (parts(parser.MAX_PARTS - 1), parts(parser.MAX_PARTS), "too_costly"),
        (nested(parser.MAX_DEPTH), nested(parser.MAX_DEPTH + 1), "undecodable_mime"),
        (b"A: b\n" * parser.MAX_HEADERS, b"A: b\n" * (parser.MAX_HEADERS + 1), "too_costly"),
        (
            b"A: " + b"x" * (parser.MAX_HEADER_BYTES - 4) + b"\n",
            b"A: " + b"x" * (parser.MAX_HEADER_BYTES - 3) + b"\n",
            "too_costly",
        ),
        (
            MULTIPART + b"--m\n\nx" + b"\n--n" * (parser.MAX_BOUNDARY_LINES - 1),
            MULTIPART + b"--m\n\nx" + b"\n--n" * parser.MAX_BOUNDARY_LINES,
            "too_costly",
        ),
        (
            b"Content-Type: a/b" + b"; c=d" * 1999 + b"\n",
            b"Content-Type: a/b" + b"; c=d" * 2000 + b"\n",
            "too_costly",
        ),
        (
            HEAD + b"Content-Type: message/delivery-status\n\n" + b"A: b\n\n" * (parser.MAX_PARTS - 1),
            HEAD + b"Content-Type: message/delivery-status\n\n" + b"A: b\n\n" * parser.MAX_PARTS,
            "too_costly",
        ),
    ],
    ids=["parts", "depth", "header lines", "header bytes", "boundary lines", "parameters", "blocks of a report"],
)
def test_a_mail_costs_no_more_than_its_limits(allowed: bytes, refused: bytes, reason: str) -> None:
    parser.read_entity(allowed)
    with pytest.raises(Refused) as problem:
        parser.read_entity(refused)
    assert problem.value.reason == reason


def test_lines_that_begin_with_dashes_are_free_without_parts() -> None:
    raw = HEAD + b"\n" + b"--n\n" * (parser.MAX_BOUNDARY_LINES + 1)
    assert parser.read_entity(raw).get_payload() == "--n\n" * (parser.MAX_BOUNDARY_LINES + 1)


def test_a_from_header_with_a_blank_before_its_colon_may_stand_first() -> None:
    mail = parse(b"From : Ann <ann@example.org>\r\nTo: support@support.example\r\n\r\nHello\r\n")
    assert mail.headers["from"] == ["Ann <ann@example.org>"]
