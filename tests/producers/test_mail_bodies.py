"""What a person reads in a mail is its text, however its parts were named, divided, encoded or hidden."""

from __future__ import annotations

import html
import re
from email import message_from_bytes
from email.message import Message
from email.policy import compat32
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from producers.mail import event as email
from producers.mail import transfer
from producers.text import markup
from schemas.errors import Refused
from tests.support.each import each
from tests.support.producers.mail_bodies import BODIES, PAGES, mail_of, written_bodies

NOW = 1772445600_000000  # 2026-03-02T10:00:00Z
EXAMPLES = sorted((Path(__file__).parents[1] / "examples" / "email").glob("*.eml"))
MACHINES = frozenset(
    ("text/calendar", "text/vcard", "text/x-vcard", "text/directory", "text/css", "text/rfc822-headers")
)
UNREAD = re.compile(r"<!--.*?-->|<(script|style|title)\b.*?</\1\s*>|<[^<>]*>", re.DOTALL | re.IGNORECASE)


@each("name", BODIES)
def test_the_words_of_a_body_are_read(name: str) -> None:
    case = BODIES[name]
    event = email.normalise(mail_of(case.mail), now=NOW)
    assert (event.full_text, tuple(file.name for file in event.attachments)) == (case.text, case.files)


@each("name", PAGES)
def test_the_words_of_a_page_are_read(name: str) -> None:
    page, text = PAGES[name]
    assert markup.to_text(page) == text


@settings(max_examples=500, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(written_bodies())
def test_words_in_any_structure_are_read(drawn: tuple[str, bytes]) -> None:
    words, content = drawn
    assert email.normalise(mail_of(content), now=NOW).full_text == words


def readable(message: Message) -> str:
    """Letters and digits of all texts of a mail, as the standard library finds them."""
    found = ""
    for part in message.walk():
        if part.get_content_maintype() == "text" and part.get_content_type() not in MACHINES:
            data = part.get_payload(decode=True)
            assert isinstance(data, bytes)
            found += html.unescape(UNREAD.sub(" ", data.decode("latin-1")))
    return "".join(filter(str.isalnum, found))


def test_no_example_with_words_has_an_empty_text() -> None:
    silent = 0
    for path in EXAMPLES:
        try:
            event = email.normalise(path.read_bytes(), now=NOW)
        except Refused:
            continue
        assert bool(event.text) == bool(event.full_text), path.stem
        if not event.text:
            silent += 1
            assert not readable(message_from_bytes(path.read_bytes(), policy=compat32)), path.stem
    assert silent >= 5  # or nothing was compared


@pytest.mark.parametrize(
    "words",
    [
        b"https://x.example/?a=CA&b=3D&c=ab",
        b"a=1\nb=2\nc=3\n",
        b"1=1, 2=2, 3=3, x=AB",
        b"if (a==b) { c=DE; d=3D }",
        b"Thisisonelongwordwithoutanyblankinsideofitanditgoesonforaverylongtimeindeed",
        b"0123456789" * 10,
        b"deadbeef" * 16,
        b"/api/v1/orders/10023/items/lamp/red/large/shipped/delivered/returned/refunded",
    ],
)
def test_words_that_look_encoded_stay_as_they_are(words: bytes) -> None:
    assert transfer.decode_unannounced(words) == words
