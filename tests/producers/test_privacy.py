from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.channels import form
from producers.mail import event as email
from producers.text import privacy
from producers.text.fields import prose
from schemas.errors import ConfigurationError

#: Test numbers that card networks publish, one of each length and kind.
CARDS = [
    "4222222222222",
    "30569309025904",
    "378282246310005",
    "4111111111111111",
    "5555555555554444",
    "6011111111111117",
]


def with_check_digit(digits: str) -> str:
    return next(digits + str(last) for last in range(10) if privacy.luhn(digits + str(last)))


@pytest.mark.parametrize("card", CARDS)
def test_a_card_number_keeps_only_its_last_four_digits(card: str) -> None:
    assert privacy.mask(f"card {card}, please") == f"card {'*' * (len(card) - 4)}{card[-4:]}, please"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("4111 1111 1111 1111", "**** **** **** 1111"),
        ("4111-1111-1111-1111", "****-****-****-1111"),
        ("4111 – 1111 – 1111", "4111 – 1111 – 1111"),  # too few digits for a card
        ("order 1234 4111 1111 1111 1111 today", "order 1234 **** **** **** 1111 today"),
        ("４１１１１１１１１１１１１１１１", "************１１１１"),
        ("4111111111111111 and 5555555555554444", "************1111 and ************4444"),
        ("4111111111111112", "4111111111111112"),  # the check digit is wrong
        ("9780306406157", "9780306406157"),  # an ISBN
        ("+49 30 901820 111", "+49 30 901820 111"),
        ("2026-03-02 10:00:00", "2026-03-02 10:00:00"),
        ("4111 1111\n1111 1111", "**** ****\n**** 1111"),  # a line's end
        ("4111 1111\r\n> 1111 1111", "**** ****\r\n> **** 1111"),  # quoted
        ("3782 822463\n10005", "**** ******\n*0005"),
        ("4111\n1111\n1111\n1111", "4111\n1111\n1111\n1111"),  # a list of orders
        ("4111,1111,1111,1111", "4111,1111,1111,1111"),  # a line of a table
        ("4111 - 1111 - 1111 - 1111", "**** - **** - **** - 1111"),
        ("4111/1111/1111/1111", "****/****/****/1111"),
        ("5,1,2,3,4,5,6,7,8,9,0,1,0", "5,1,2,3,4,5,6,7,8,9,0,1,0"),  # a list, and no card looks like that
        ("22/03/2026, 22/06/2027", "22/03/2026, 22/06/2027"),  # passes the check, and is two dates
        ("51234\n56789\n010", "51234\n56789\n010"),  # passes the check, and is a column of numbers
        ("4111\u200b1111\u200b1111\u200b1111", "****\u200b****\u200b****\u200b1111"),
        (
            "\u202a4111\u202c \u202a1111\u202c \u20661111\u2069 1111\u200f",
            "\u202a****\u202c \u202a****\u202c \u2066****\u2069 1111\u200f",
        ),
        ("4\ufe0f\u20e31\ufe0f\u20e3" + "1\ufe0f\u20e3" * 14, "*\ufe0f\u20e3" * 12 + "1\ufe0f\u20e3" * 4),  # keycaps
        ("٤١١١ ١١١١ ١١١١ ١١١١", "**** **** **** ١١١١"),
        ("", ""),
    ],
)
def test_groups_and_neighbours_do_not_hide_a_card_number(text: str, masked: str) -> None:
    assert privacy.mask(text) == masked


@given(
    st.sampled_from("23456"),
    st.text("0123456789", min_size=11, max_size=17),
    st.sampled_from(["", " ", "-", ". "]),
    st.sampled_from(["", "my card: ", "卡号"]),
)
def test_every_card_number_is_masked_however_it_is_grouped(first: str, rest: str, gap: str, before: str) -> None:
    card = with_check_digit(first + rest)
    grouped = gap.join(card[start : start + 4] for start in range(0, len(card), 4))
    masked = privacy.mask(before + grouped + "。")
    assert len(masked) == len(before + grouped + "。")
    assert masked.count("*") == len(card) - 4
    assert grouped not in masked


@given(st.text(max_size=200))
def test_masking_is_stable_and_keeps_text_without_long_numbers(text: str) -> None:
    once = privacy.mask(text)
    assert privacy.mask(once) == once
    assert len(once) == len(text)
    if sum(char.isdigit() for char in text) < 13:
        assert once == text


def test_raw_bytes_are_masked_whatever_else_is_in_them() -> None:
    assert privacy.mask_bytes(b"\xff\x00 4111111111111111 \xe4") == b"\xff\x00 ************1111 \xe4"


@pytest.mark.parametrize(
    ("raw", "masked"),
    [
        (b"Body=4111+1111+1111+1111&To=1", b"Body=****+****+****+1111&To=1"),
        (b"Body=4111%201111%201111%201111", b"Body=****%20****%20****%201111"),
        (b"4111=201111=\r\n 1111 1111", b"****=20****=\r\n **** 1111"),  # quoted-printable, with a soft break
        (b"41111111=\r\n11111111", b"********=\r\n****1111"),
        (b'{"text":"4111\\u00a01111\\u00a01111\\n1111"}', b'{"text":"****\\u00a0****\\u00a0****\\n1111"}'),
        ("4111\u00a01111\u00a01111\u00a01111".encode(), "****\u00a0****\u00a0****\u00a01111".encode()),
        (
            "4111\u00a01111\u00a01111\u00a01111".encode("latin-1"),
            "****\u00a0****\u00a0****\u00a01111".encode("latin-1"),
        ),
        ("４１１１１１１１１１１１１１１１".encode(), "************１１１１".encode()),
        ("4111111111111111".encode("utf-16-le"), "************1111".encode("utf-16-le")),
    ],
)
def test_what_nobody_has_decoded_yet_hides_no_card_number(raw: bytes, masked: bytes) -> None:
    assert privacy.mask_bytes(raw) == masked


@given(st.binary(max_size=200))
def test_masking_bytes_changes_nothing_else(raw: bytes) -> None:
    masked = privacy.mask_bytes(raw)
    assert privacy.mask_bytes(masked) == masked
    if masked != raw:
        assert len(masked) <= len(raw)
        assert b"*" in masked


@pytest.mark.parametrize("shown", range(1, 17))
def test_a_cut_through_a_card_number_shows_none_of_it(shown: int) -> None:
    limit = 20
    text = "x" * (limit - shown) + "4111111111111111"
    assert prose(text, limit) == "x" * (limit - shown) + ("*" * 12 + "1111")[:shown]


def test_long_texts_of_nothing_but_digits_take_no_time() -> None:
    for text in ("1 " * 50_000, "5,1," * 25_000, "4111 1111 1111 1111 " * 5_000, "2\u200b" * 50_000):
        assert len(privacy.mask(text)) == len(
            text
        )  # a quadratic step takes minutes here, and the suite's limit ends it


# secrets of a company


@pytest.fixture
def patterns(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "mask.txt"
    path.write_text(
        "# staff numbers, and what follows a word\nSTAFF-\\d{6}\n(?i)passw(?:or)?d[:=]\\s*(\\S+)\n", "utf-8"
    )
    privacy.also(privacy.read_patterns(path))
    yield path
    privacy.also(())


def test_configured_secrets_are_masked_in_every_text(patterns: Path) -> None:
    assert privacy.mask("STAFF-123456 and Password: hunter2!") == "************ and Password: ********"
    assert privacy.mask_bytes(b"\xff passwd=hunter2") == b"\xff passwd=*******"
    made = form.normalise({"email": "a@b.example", "message": "my password: hunter2", "subject": "STAFF-123456"}, now=1)
    assert (made.text, made.subject) == ("my password: *******", "************")
    mail = email.normalise(b"From: a@b.example\nSubject: passwd=hunter2\n\nSTAFF-123456", now=1)
    assert (mail.subject, mail.text) == ("passwd=*******", "************")


def test_without_a_file_nothing_else_is_masked() -> None:
    assert privacy.read_patterns(None) == ()
    assert privacy.mask("STAFF-123456") == "STAFF-123456"


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("(", "is no regular expression"),
        ("a{99999999999}", "is no regular expression"),
        ("a*", "matches nothing at all"),
    ],
)
def test_a_pattern_that_is_none_is_refused_with_its_line(tmp_path: Path, line: str, wrong: str) -> None:
    path = tmp_path / "mask.txt"
    path.write_text(f"# ours\n\n{line}\n", "utf-8")
    with pytest.raises(ConfigurationError, match=re.escape(f"{path}:3")) as caught:
        privacy.read_patterns(path)
    assert wrong in str(caught.value)


def test_a_file_of_patterns_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        privacy.read_patterns(tmp_path / "none.txt")


@pytest.mark.parametrize(
    "text",
    [
        "4111-1111\uff11\uff11-15 5 5 5 5 5 5 5 5 5 5 5 5111-1111",
        "5 5 5 5 5 5 5 5 5 5 41115 5 5 5 5 5 5 5 \uff11\uff115 5 5 5 5 5 5 5 5",
    ],
)
def test_a_card_that_begins_in_the_last_digits_of_another_is_masked(text: str) -> None:
    masked = privacy.mask(text)
    assert masked != text
    assert privacy.mask(masked) == masked
    raw = privacy.mask_bytes(text.encode())
    assert privacy.mask_bytes(raw) == raw
