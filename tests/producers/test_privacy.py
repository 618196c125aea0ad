from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers import privacy

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
def test_masking_is_stable_and_leaves_text_without_long_numbers_alone(text: str) -> None:
    once = privacy.mask(text)
    assert privacy.mask(once) == once
    assert len(once) == len(text)
    if sum(char.isdigit() for char in text) < 13:
        assert once == text


def test_raw_bytes_are_masked_whatever_else_is_in_them() -> None:
    assert privacy.mask_bytes(b"\xff\x00 4111111111111111 \xe4") == b"\xff\x00 ************1111 \xe4"
