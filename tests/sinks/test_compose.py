"""The content of a mail: people read it in the file, mail programs read what the agent wrote, nobody gets more than that."""

from __future__ import annotations

import email
import re
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from producers.mail import headers, parse
from schemas.events import Attachment
from schemas.safe_html import clean, from_text, to_text
from schemas.text import printable_line
from sinks.delivery.adapter import Undeliverable
from sinks.delivery.compose import File
from sinks.delivery.mail import address, compose, copies
from tests.support.producers.languages import SENTENCES
from tests.support.sinks.examples import NOW, outbound

SENDER = address("support@support.example")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
PHOTO, LABEL = (
    File("photo.png", "image/png", PNG),
    File("Rücksendeetikett 返品.pdf", "application/pdf", b"%PDF-1.7\n" + b"x" * 5000),
)


def composed(*files: File, eight_bit: bool = True, **fields: Any) -> bytes:
    return compose(outbound(**fields), sender=SENDER, now=NOW, files=files, eight_bit=eight_bit)[1]


def read(raw: bytes) -> EmailMessage:
    mail = email.message_from_bytes(raw, policy=default)
    assert not [defect for part in mail.walk() for defect in part.defects]
    return mail


def assert_can_travel(raw: bytes, *, eight_bit: bool) -> None:
    """A server takes it: CRLF only, no NUL, lines of at most 998 bytes, ASCII where seven bits are all there is."""
    assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r")
    assert b"\0" not in raw
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert raw.isascii() or eight_bit
    assert raw.partition(b"\r\n\r\n")[0].isascii()


# -- a person reads the file -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", SENTENCES)
def test_a_person_reads_every_language_in_the_file(language: str) -> None:
    text = "\n".join(SENTENCES[language]) + "\n"
    raw = composed(text=text, html=from_text(text))
    for sentence in SENTENCES[language]:
        assert sentence.encode() in raw
    seven = composed(text=text, html=from_text(text), eight_bit=False)
    for one, eight_bit in ((raw, True), (seven, False)):
        assert_can_travel(one, eight_bit=eight_bit)
        assert content(read(one), "plain") == text
        assert to_text(between(content(read(one), "html"))) == text.rstrip("\n")


@pytest.mark.parametrize(
    ("text", "eight_bit", "seven_bit"),
    [
        ("Plain.\n", "7bit", "7bit"),
        ("Grüße aus Köln, wir melden uns bis morgen früh.\n", "8bit", "quoted-printable"),
        ("您好，我们已收到您的来信。\n", "8bit", "quoted-printable"),
        ("来信" * 500, "quoted-printable", "quoted-printable"),
        ("x" * 5000 + "\n", "quoted-printable", "quoted-printable"),
        ("Plain.\nFrom here on it is another page.\n", "quoted-printable", "quoted-printable"),
        ("Grüße mit Steuerzeichen\x0b\x1b", "quoted-printable", "quoted-printable"),
        ("-- \nDie Signatur für Sie\n", "8bit", "quoted-printable"),
        ("", "7bit", "7bit"),
    ],
)
def test_the_encoding_is_what_the_text_and_the_server_need(text: str, eight_bit: str, seven_bit: str) -> None:
    for encoding, wide in ((eight_bit, True), (seven_bit, False)):
        mail = read(composed(text=text, eight_bit=wide))
        assert mail["Content-Transfer-Encoding"] == encoding
        assert mail.get_content().replace("\r\n", "\n") == text


def test_headers_can_be_read_as_well_as_far_as_they_are_latin() -> None:
    raw = composed(subject="Re: Rücksendung für Bestellung [#ABCDEFGHIJKL-1]", customer_name="Jürgen Groß")
    assert b"Subject: Re:\r\n =?utf-8?q?R=C3=BCcksendung_f=C3=BCr?=\r\n Bestellung [#ABCDEFGHIJKL-1]\r\n" in raw
    assert b"J=C3=BCrgen_Gro=C3=9F" in raw


@given(
    st.lists(
        st.sampled_from(
            ["Re:", "ü", "日本語", "[#ABC-1]", "=?", "?=", "=?utf-8?q?x?=", "x" * 300, "🙂", "a_b", "=41", "\t", "\r\n"]
        )
        | st.text(max_size=9),
        max_size=20,
    ).map(" ".join)
)
def test_any_subject_arrives_as_it_was_written(subject: str) -> None:
    raw = composed(subject=subject)
    assert_can_travel(raw, eight_bit=False)
    written = printable_line(subject.encode("utf-8", "replace").decode())
    assert str(email.message_from_bytes(raw, policy=default)["Subject"]) == written
    assert headers.text(parse.parse(raw).headers, "subject") == written


anything = st.text(max_size=200) | st.lists(
    st.sampled_from(["\n", "\r\n", "\r", ".", "From ", "--", "=", " ", "\t", "\0", "ü", "日本", "🙂", "\ud800", "x" * 400, "-- \n"]), max_size=30
).map("".join)  # fmt: skip


@given(anything, st.booleans(), st.booleans())
@example("From \n.\n..\n--=_a_0\n=46\n", True, True)
@example("From " + "x" * 75, True, True)
def test_any_text_arrives_as_it_was_written(text: str, html: bool, eight_bit: bool) -> None:
    raw = composed(text=text, html=from_text(text) if html else "", eight_bit=eight_bit)
    assert_can_travel(raw, eight_bit=eight_bit)
    written = re.sub(r"\r\n|\r", "\n", text.encode("utf-8", "replace").decode())
    assert content(read(raw), "plain") == written


def content(mail: EmailMessage, subtype: str) -> str:
    [part] = [part for part in mail.walk() if part.get_content_type() == f"text/{subtype}" and not part.get_filename()]
    return part.get_payload(decode=True).decode().replace("\r\n", "\n")


def between(document: str) -> str:
    return document.partition("<body>\n")[2].partition("\n</body>")[0]


# -- a mail program reads what the agent wrote ----------------------------------------------------------------------------


def test_the_parts_are_where_mail_programs_look_for_them() -> None:
    html = clean("<p>The label: <img src='cid:1' alt='photo'></p>")
    mail = read(composed(PHOTO, LABEL, text=to_text(html), html=html))
    assert [part.get_content_type() for part in mail.walk()] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png", "application/pdf",
    ]  # fmt: skip
    body = mail.get_body(("html",))
    image = next(part for part in mail.walk() if part.get_content_type() == "image/png")
    assert f'src="cid:{image["Content-ID"][1:-1]}"' in body.get_content()
    assert image.get_content_disposition() == "inline"
    [label] = mail.iter_attachments()
    assert (label.get_filename(), label.get_content(), label.get_content_disposition()) == (
        LABEL.name,
        LABEL.data,
        "attachment",
    )


@pytest.mark.parametrize(
    ("files", "html", "kinds"),
    [
        ((), "", ["text/plain"]),
        ((), "<p>x</p>", ["multipart/alternative", "text/plain", "text/html"]),
        ((LABEL,), "", ["multipart/mixed", "text/plain", "application/pdf"]),
        ((PHOTO,), "<p>x</p>", ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", "image/png"]),
        (
            (PHOTO,),
            '<img src="cid:1">',
            ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"],
        ),
    ],
)
def test_no_more_parts_than_are_needed(files: tuple[File, ...], html: str, kinds: list[str]) -> None:
    assert [part.get_content_type() for part in read(composed(*files, html=html)).walk()] == kinds


@pytest.mark.parametrize("html", ['<img src="cid:1">', '<img src="cid:3">', '<p>x</p><img src="cid:0">'])
def test_a_page_shows_no_file_that_is_no_image_of_this_mail(html: str) -> None:
    mail = read(composed(LABEL, html=html))
    assert "cid:" not in mail.get_body(("html",)).get_content()
    assert [part.get_filename() for part in mail.iter_attachments()] == [LABEL.name]


def test_a_page_is_sent_clean_whoever_wrote_it() -> None:
    html = "<p onclick=x>a<script>alert(1)</script><img src='https://t.example/p.gif'></p>"
    assert between(content(read(composed(html=html)), "html")) == "<p>a</p>"


@pytest.mark.parametrize("language", ["en", "de", "ja", "zh-Hans", "ru", "he", "ar", "ko"])
def test_our_own_reader_reads_what_the_agent_wrote(language: str) -> None:
    words = "\n\n".join(SENTENCES[language])
    for html in ("", from_text(words)):
        mail = parse.parse(composed(LABEL, PHOTO, text=words, html=html))
        assert mail.text.split() == words.split()
        assert [(file.name, file.content()) for file in mail.files] == [
            (LABEL.name, LABEL.data),
            (PHOTO.name, PHOTO.data),
        ]


names = st.text(max_size=60) | st.lists(
    st.sampled_from(["a", ".pdf", "/", "\\", "..", '"', ";", "\r\n", "\0", "ü", "名前", "🙂", " ", "%41", "'", "=?utf-8?q?x?=", "x" * 50, "\u202e"]),
    max_size=20,
).map("".join)  # fmt: skip


@given(names)
@example("../../etc/passwd")
@example("x\r\nBcc: hidden@evil.example")
@example("invoice\u202efdp.exe")
@example("名前" * 100 + ".pdf")
def test_a_file_has_a_name_of_one_line_and_no_folder(name: str) -> None:
    raw = composed(File(name, "application/pdf", b"x"))
    assert_can_travel(raw, eight_bit=False)
    mail = read(raw)
    [part] = mail.iter_attachments()
    told = part.get_filename()
    assert 0 < len(told) <= 120
    assert told.isprintable()
    assert not set('/\\"') & set(told)
    assert not told.startswith(".")
    if name.isalnum() and len(name) <= 100 and name.isprintable():
        assert told == name
    assert mail["Bcc"] is None


@pytest.mark.parametrize(
    "kind",
    [
        "message/rfc822",
        "multipart/mixed",
        "text/html\r\nBcc: x@y.org",
        "",
        "png",
        "image/png; name=x",
        "a/" + "b" * 300,
    ],
)
def test_a_file_of_an_impossible_type_is_just_bytes(kind: str) -> None:
    [part] = read(composed(File("x", kind, b"x"))).iter_attachments()
    assert (part.get_content_type(), part.get_payload(decode=True)) == ("application/octet-stream", b"x")


def test_no_text_ends_its_part() -> None:
    boundary = re.search(rb'boundary="([^"]+)"', composed(LABEL, text="words"))
    assert boundary is not None
    text = f"words\n--{boundary[1].decode()}\nContent-Type: text/html\n\n<script>alert(1)</script>\n--{boundary[1].decode()}--\n"
    mail = read(composed(LABEL, text=text))
    assert content(mail, "plain") == text


@pytest.mark.parametrize(
    ("text", "eight_bit", "encoding"), [("日本語", True, "8bit"), ("日本語", False, None), ("Hello", True, None)]
)
def test_a_part_says_that_parts_within_it_have_eight_bits(text: str, eight_bit: bool, encoding: str | None) -> None:
    raw = composed(PHOTO, LABEL, text=text, html=f"<p>{text}<img src='cid:1'></p>", eight_bit=eight_bit)
    around = [part for part in read(raw).walk() if part.is_multipart()]
    assert [part["Content-Transfer-Encoding"] for part in around] == [encoding] * 3


def test_the_same_message_is_the_same_mail() -> None:
    assert composed(LABEL, html="<p>x</p>") == composed(LABEL, html="<p>x</p>")


# -- nobody gets more than that ----------------------------------------------------------------------------------------------


def test_copies_are_recipients_and_only_those_to_be_seen_are_in_the_mail() -> None:
    fields: dict[str, Any] = {"cc": ["bob@x.org", "Bob@X.org", "ann@example.org"], "bcc": ["boss@x.org", "bob@x.org"]}
    raw = composed(LABEL, html="<p>x</p>", **fields)
    assert copies(outbound(**fields)) == ("bob@x.org", "boss@x.org")
    mail = read(raw)
    assert mail["Cc"] == "bob@x.org"
    assert mail["Bcc"] is None
    assert b"boss" not in raw.lower()


@pytest.mark.parametrize(
    "bad", ["", "x", "a@b, c@d", "Bob <bob@x.org>", "bob@x.org\r\nBcc: c@d", "bob@x.org>\r\nRCPT TO:<c@d"]
)
def test_a_copy_goes_to_one_address_or_nowhere(bad: str) -> None:
    for fields, told in (({"cc": [bad]}, repr(bad)), ({"bcc": [bad]}, "a bcc is not an e-mail address")):
        with pytest.raises(Undeliverable, match=re.escape(told)):
            copies(outbound(**fields))
    with pytest.raises(Undeliverable):
        composed(cc=[bad])


def test_many_copies_are_written_on_lines_of_their_own() -> None:
    everybody = [f"{'x' * 60}{number}@example.org" for number in range(20)]
    raw = composed(cc=everybody)
    assert_can_travel(raw, eight_bit=False)
    assert [each.addr_spec for each in read(raw)["Cc"].addresses] == everybody


def test_attachments_that_nobody_read_are_not_made_up() -> None:
    raw = composed(attachments=[Attachment(name="x.pdf", reference="file:///etc/passwd")])
    assert read(raw).get_content_type() == "text/plain"
