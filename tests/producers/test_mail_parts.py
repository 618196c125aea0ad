"""The parts of a mail beyond the examples: hostile containers, exact limits, and agreement with other readers."""

from __future__ import annotations

import base64
import binascii
import struct
import time

import compressed_rtf
import pytest
import tnefparse
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.mail import charsets, invitations, mime, quotes, rtf, smime, tnef, transfer
from producers.mail.parse import parse
from producers.mail.part import Part
from producers.text import markup
from tests.support.each import each
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


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"\n", b"\r\n"]), st.sampled_from([b"", b"=", b"0000"]))
def test_a_uuencoded_part_is_read_whatever_ends_its_lines(content: bytes, ends: bytes, more: bytes) -> None:
    lines = [binascii.b2a_uu(content[at : at + 45]).rstrip(b"\n") for at in range(0, len(content), 45)]
    written = ends.join([b"words", b"begin 644 a b.bin", *(line + more for line in lines), b"`", b"end", b"words"])
    assert transfer.decode(written, "X-UUencode") == content


@pytest.mark.parametrize(
    "broken", [b"words", b"begin 644 a\n#86)C\n`\n", b"begin 644 a\n#\x80\x80\nend\n", b"begin x a\nend\n"]
)
def test_a_part_that_is_no_uuencode_stays_as_it_is(broken: bytes) -> None:
    assert transfer.decode(broken, "uuencode") == broken


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


@each(
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


# -- one part ---------------------------------------------------------------------------------------------------------


def part_of(head: str, body: bytes) -> bytes:
    return f"From: a@b.example\n{head}\n\n".encode() + body


@pytest.mark.parametrize(
    ("head", "meta", "encoding"),
    [
        ("Content-Type: text/html", '<meta charset="koi8-r">', "koi8-r"),
        ("Content-Type: text/html; charset=us-ascii", "<meta charset = 'koi8-r'>", "koi8-r"),
        ("Content-Type: text/html; charset=koi8-r", '<meta charset="cp1251">', "koi8-r"),
        ("Content-Type: text/html", "<meta http-equiv=Content-Type content='text/html; charset=cp1251'>", "cp1251"),
    ],
    ids=["no charset", "ASCII", "declared wins", "http-equiv"],
)
def test_a_page_is_read_in_the_charset_of_its_meta_element(head: str, meta: str, encoding: str) -> None:
    page = f"<html><head>{meta}</head><body>Здравствуйте, где мой заказ</body></html>".encode(encoding)
    assert parse(part_of(head, page)).text == "Здравствуйте, где мой заказ"


@pytest.mark.parametrize(
    ("parameters", "read"),
    [
        ("", "a \nb"),
        ("; format=flowed", "a b"),
        ("; Format=Flowed; DelSp=yes", "ab"),
        ('; format=flowed; delsp = "YES"', "ab"),
        ("; format=flowed; delsp=no", "a b"),
    ],
)
def test_flowed_lines_are_joined(parameters: str, read: str) -> None:
    assert parse(part_of(f"Content-Type: text/plain{parameters}", b"a \nb\n")).text == read


def test_flowed_lines_keep_quotes_signatures_and_stuffing() -> None:
    body = b"> quoted \n> more\n from\n-- \nAnn\n"
    assert parse(part_of("Content-Type: text/plain; format=flowed", body)).text == "> quoted \n> more\nfrom\n-- \nAnn"


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ("Content-Disposition: attachment; filename=a.txt", "a.txt"),
        ("Content-Disposition: attachment; filename=../a\\b.txt", ".._a_b.txt"),
        ("Content-Disposition: attachment; filename*=utf-8''gr%C3%B6%C3%9Fe.txt", "größe.txt"),
        ("Content-Disposition: attachment; filename*0=lo; filename*1=ng.txt", "long.txt"),
        ("Content-Disposition: attachment; filename==?utf-8?q?gr=C3=B6=C3=9Fe.txt?=", "größe.txt"),
        ("Content-Type: text/x-log; name=größe.txt\nContent-Disposition: attachment", "größe.txt"),
        ('Content-Disposition: attachment; filename="größe\n 2.txt"', "größe  2.txt"),
        ("Content-Disposition: attachment; filename=photo\u202egpj.exe", "photogpj.exe"),
        ("Content-Disposition: attachment", ""),
    ],
)
def test_a_file_has_the_name_that_its_sender_gave(head: str, name: str) -> None:
    (file,) = parse(part_of(head, b"1")).files
    assert file.name == name and file.content() == b"1"


@pytest.mark.parametrize(
    ("kind", "body", "read"),
    [
        ("text/enriched", b"<bold>Now</bold> <<later> <param>red</param>", "Now <later>"),
        ("text/markdown", b"*Now*", "*Now*"),
        ("text/plain", b"<!DOCTYPE html><p>Now</p>", "Now"),
        ("text/plain", b"<p>Now</p>", "<p>Now</p>"),
        ("nonsense", b"Now", "Now"),
    ],
)
def test_a_text_part_is_read_by_its_type(kind: str, body: bytes, read: str) -> None:
    assert parse(part_of(f"Content-Type: {kind}", body)).text == read


# -- limits -----------------------------------------------------------------------------------------------------------


def nested(depth: int, kind: str = "mixed") -> bytes:
    """A text inside of so many multiparts."""
    body = b"Content-Type: text/plain\n\nHello\n"
    for level in range(depth):
        boundary = b"b%d" % level
        body = b"Content-Type: multipart/%s; boundary=%s\n\n--%s\n%s\n--%s--\n" % (
            kind.encode(), boundary, boundary, body, boundary
        )  # fmt: skip
    return b"From: a@b.example\n" + body


@pytest.mark.parametrize("kind", ["mixed", "alternative", "report"])
@pytest.mark.parametrize(("depth", "read"), [(29, "Hello"), (30, "Hello"), (31, "")])
def test_parts_are_read_down_to_a_depth_of_30(kind: str, depth: int, read: str) -> None:
    assert parse(nested(depth, kind)).text == read


@pytest.mark.parametrize(("mails", "read"), [(1, "Hello"), (5, "Hello"), (6, "")])
def test_mails_in_mails_are_read_down_to_the_fifth(mails: int, read: str) -> None:
    raw = b"From: a@b.example\n\nHello"
    for _ in range(mails):
        raw = b"From: a@b.example\nContent-Type: message/rfc822\n\n" + raw
    assert parse(raw).text == read


@pytest.mark.parametrize("count", [99, 100, 101])
def test_a_mail_has_at_most_a_hundred_files(count: int) -> None:
    files = b"".join(b"--m\nContent-Type: image/png; name=%d.png\n\nx\n" % number for number in range(count))
    mail = parse(b"From: a@b.example\nContent-Type: multipart/mixed; boundary=m\n\n" + files + b"--m--\n")
    assert [file.name for file in mail.files] == [f"{number}.png" for number in range(min(count, 100))]


@pytest.mark.parametrize("count", [498, 499, 500])
def test_a_mail_has_at_most_500_parts_itself_included(count: int) -> None:
    parts = b"".join(b"--m\n\n%d\n" % number for number in range(count))
    mail = parse(b"From: a@b.example\nContent-Type: multipart/mixed; boundary=m\n\n" + parts + b"--m--\n")
    assert mail.text.split() == [str(number) for number in range(min(count, 499))]


def test_texts_stand_apart_and_pages_become_text() -> None:
    raw = b"From: a@b.example\nContent-Type: multipart/mixed; boundary=m\n\n"
    raw += b"--m\n\n\nOne\n\n--m\nContent-Type: text/html\n\n<p>Two</p>\n--m\n\n \n--m\n\nThree\n--m--\n"
    assert parse(raw).text == "One\n\nTwo\n\nThree"


def test_a_part_is_read_up_to_the_given_number_of_bytes() -> None:
    part = Part(mime.parse_mail(b"From: a@example.org\nContent-Type: text/plain; charset=utf-8\n\n0123456789\n"))
    assert [part.text(4), part.text().strip()] == ["0123", "0123456789"]


def test_rtf_is_read_up_to_its_limit_and_no_further() -> None:
    head = r"{\rtf1 "
    whole = head + "a" * (rtf.MAX_RTF_CHARS - len(head)) + "b"
    read = rtf.words(whole)
    assert rtf.MAX_RTF_CHARS == 300_000
    assert (len(read), set(read)) == (rtf.MAX_RTF_CHARS - len(head), {"a"})
