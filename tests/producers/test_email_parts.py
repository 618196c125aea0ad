"""What the examples do not show of the parts of a mail: hostile containers, and that our readers agree with others'."""

from __future__ import annotations

import base64
import struct
import time

import compressed_rtf
import pytest
import tnefparse
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.mail import charsets, invitations, quotes, smime, tnef, transfer
from producers.mail.parse import parse
from producers.text import markup
from tests.support.producers import tnef_bytes

names = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=40)
files = st.lists(st.tuples(names, st.binary(max_size=200)), max_size=5)


@settings(max_examples=60, deadline=None)
@given(files)
def test_files_of_a_container_are_those_that_tnefparse_finds(listed: list[tuple[str, bytes]]) -> None:
    data = tnef_bytes.tnef(*(tnef_bytes.attachment(b"SHORT.NAM", content, long_name=name) for name, content in listed))
    found = tnef.read(data)
    assert found.whole and found.files == listed
    others = tnefparse.TNEF(data)
    assert [(each.long_filename(), each.data) for each in others.attachments] == listed


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 400))
def test_no_container_is_too_broken(noise: bytes, at: int) -> None:
    good = tnef_bytes.tnef(
        tnef_bytes.message_props(
            body="Hello", html=b"<p>x</p>", rtf=compressed_rtf.compress(b"{\\rtf1 Hi}"), codepage=932
        ),
        tnef_bytes.attachment(b"a.txt", b"content", long_name="long.txt"),
    )
    for data in (noise, good[:at] + noise + good[at:], good[:at]):
        found = tnef.read(data)
        assert isinstance(found.words(), str)


@pytest.mark.parametrize(
    "properties",
    [
        struct.pack("<I", 0xFFFFFFFF) + struct.pack("<HHI", 0x0003, 0x0017, 1) * 50_000,
        struct.pack("<IHHI", 1, 0x101E, 0x1000, 0xFFFFFFFF) + b"\x00" * 400_000,
        struct.pack("<IHHII", 1, 0x001F, 0x1000, 1, 0xFFFFFFFF),
    ],
    ids=["number of properties", "number of values", "length of a value"],
)
def test_a_count_inside_a_container_is_not_believed(properties: bytes) -> None:
    data = tnef_bytes.tnef(tnef_bytes.attribute(1, 0x00069003, properties), tnef_bytes.attachment(b"a.txt", b"1"))
    began = time.process_time()
    assert tnef.read(data).files == [("a.txt", b"1")]
    assert time.process_time() - began < 0.5


def test_a_million_tiny_attributes_do_not_hold_up_the_mail() -> None:
    data = tnef_bytes.tnef(tnef_bytes.attribute(1, 0x00010000, b"x") * 500_000)
    began = time.process_time()
    assert not tnef.read(data).whole
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("data", [b"", b"\x30", b"\x30\x80" * 5000, base64.b64decode("MIIB")], ids=repr)
def test_what_is_no_signature_has_no_content(data: bytes) -> None:
    assert smime.signed_content(data) == b""


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"", b"\n", b"  ", b"\r\n"]))
def test_base64_comes_back_whatever_its_lines_and_padding(data: bytes, gap: bytes) -> None:
    encoded = base64.b64encode(data)
    broken = gap.join(encoded[at : at + 7] for at in range(0, len(encoded), 7))
    for sent in (broken, broken.rstrip(b"="), broken + b"\n" + gap):
        assert transfer.decode(sent, " Base64 ") == data


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=200))
def test_words_that_are_announced_as_base64_stay_words(said: str) -> None:
    sentence = f"Hello, it's me. {said}".encode()
    assert transfer.decode(sentence, "base64") == sentence or base64.b64decode(sentence, validate=False)


def test_a_uuencoded_file_comes_back_and_the_words_stay() -> None:
    text = "Before\nbegin 644 a b.txt\n#86)C\n`\nend\nAfter\n"
    assert transfer.uuencoded(text) == ("Before\n\nAfter\n", [("a b.txt", b"abc")])


@pytest.mark.parametrize(
    ("calendar", "said"),
    [
        ("BEGIN:VEVENT\nSUMMARY;LANGUAGE=ja:修理\nEND:VEVENT", "修理"),
        ("BEGIN:VTIMEZONE\nDESCRIPTION:zone\nEND:VTIMEZONE\nBEGIN:VEVENT\nSUMMARY:Call\nEND:VEVENT", "Call"),
        ("SUMMARY:a\\, b\\; c\\\\d\\ne", "a, b; c\\d\ne"),
        ("BEGIN:VEVENT\nUID:1\nEND:VEVENT", ""),
    ],
)
def test_a_calendar_says_its_summary(calendar: str, said: str) -> None:
    assert invitations.words(calendar) == said


SENTENCES = {
    "gb18030": "您好，我上个星期买的鞋子到现在还没有收到，请问什么时候可以送到？订单号是一零零二三。",
    "big5": "您好，我上個星期買的鞋子到現在還沒有收到，請問什麼時候可以送到？訂單編號是一零零二三。",
    "cp932": "お世話になっております。先週注文した靴がまだ届いていません。いつ届きますか。",
    "euc_jp": "お世話になっております。先週注文した靴がまだ届いていません。いつ届きますか。",
    "cp949": "안녕하세요, 지난주에 주문한 신발이 아직 도착하지 않았습니다. 언제 받을 수 있나요?",
}


LIES = ["", "utf-8", "us-ascii", "iso-8859-1", "windows-1252"]
NEIGHBOURS = ["gb2312", "big5", "shift_jis", "euc-jp"]


@pytest.mark.parametrize(
    ("real", "declared"),
    [(real, lie) for real in SENTENCES for lie in LIES]
    + [(real, lie) for real in SENTENCES if real != "cp949" for lie in NEIGHBOURS],
)
def test_east_asian_text_is_read_whatever_was_declared(real: str, declared: str) -> None:
    assert charsets.decode(SENTENCES[real].encode(real), declared) == SENTENCES[real]


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300), st.booleans())
def test_the_newest_part_is_made_of_lines_of_the_mail(text: str, forwarded: bool) -> None:
    lines = {line.strip() for line in text.split("\n")}
    newest = quotes.newest_part(text, forwarded=forwarded)
    assert {line.strip() for line in newest.split("\n")} <= lines | {""}
    assert bool(newest) == bool(text.strip())


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "<div>",
                "</div>",
                '<p style="display:none">',
                "</p>",
                "<br>",
                "<span hidden>",
                "</span>",
                "words",
                "<!--",
                "-->",
                '"',
                ">",
                "<",
            ]
        ),
        max_size=30,
    )
)
def test_markup_in_any_order_becomes_text(pieces: list[str]) -> None:
    assert isinstance(markup.to_text("".join(pieces)), str)


def test_a_layout_of_size_zero_with_readable_cells_is_read() -> None:
    page = '<div style="font-size:0px;line-height:24px"><div style="font-size:14px">Dear shop</div></div>'
    assert markup.to_text(page) == "Dear shop"


def test_the_bytes_of_a_file_are_decoded_when_asked_for() -> None:
    mail = parse(b"From: a@b.example\nContent-Type: image/png; name=a.png\nContent-Transfer-Encoding: base64\n\nAAEC\n")
    (file,) = mail.files
    assert (file.name, file.media_type, file.size, file.content()) == ("a.png", "image/png", 3, b"\x00\x01\x02")
