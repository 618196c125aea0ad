"""Texts in parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.delivery.split import split


@pytest.mark.parametrize(
    ("text", "most", "parts", "expected"),
    [
        ("short", 10, 3, ["short"]),
        ("", 10, 3, [""]),
        ("  exactly 10  ", 10, 3, ["exactly 10"]),
        ("One two three. Four five six.", 22, 3, ["(1/2) One two three.", "(2/2) Four five six."]),
        ("One two three four five six", 22, 3, ["(1/2) One two three", "(2/2) four five six"]),
        ("One, two.\n\nThree. Four", 20, 3, ["(1/2) One, two.", "(2/2) Three. Four"]),
        ("荷物が届きません。住所は東京です。", 16, 3, ["(1/2) 荷物が届きません。", "(2/2) 住所は東京です。"]),
        ("x" * 30, 16, 3, ["(1/3) " + "x" * 10, "(2/3) " + "x" * 10, "(3/3) " + "x" * 10]),
        ("one two three four five six", 16, 2, ["(1/2) one two", "(2/2) three…"]),
        ("one two three four", 10, 1, ["one two…"]),
    ],
)
def test_a_text_is_cut_where_a_reader_would_pause(text: str, most: int, parts: int, expected: list[str]) -> None:
    assert split(text, most, parts) == expected


@given(st.text(max_size=400), st.integers(12, 60), st.integers(1, 9))
def test_every_part_fits_and_nothing_but_white_space_is_lost_while_the_parts_suffice(
    text: str, most: int, parts: int
) -> None:
    found = split(text, most, parts)
    assert 1 <= len(found) <= parts
    assert all(len(each) <= most for each in found)
    said = "".join("".join(each[6:] if len(found) > 1 else each) for each in found)
    whole = "".join(text.split())
    if found[-1].endswith("…") and not text.rstrip().endswith("…"):
        assert whole.startswith("".join(said.removesuffix("…").split()))
    else:
        assert "".join(said.split()) == whole


def test_a_width_of_ones_own_is_kept_to() -> None:
    def wide(text: str) -> int:
        return sum(1 if character.isascii() else 2 for character in text)

    parts = split("荷物がまだ届いていません。" * 4, 40, 9, wide)
    assert len(parts) > 1 and all(wide(each) <= 40 for each in parts)
