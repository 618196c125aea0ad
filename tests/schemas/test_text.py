from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.text import error_line, named_error_line, one_line, printable_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain", "plain"),
        ("  a \t b\r\n c  ", "a b c"),
        ("a\rb\x0bc\x0cd\x85e\u2028f", "a b c d e f"),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_white_space_of_any_kind_is_one_space(text: str, line: str) -> None:
    assert one_line(text) == printable_line(text) == line


def test_a_line_is_cut_after_its_white_space_is_gone() -> None:
    assert one_line("a  \n  bcd", 3) == "a b"
    assert one_line("abc", 3) == "abc"


@pytest.mark.parametrize(("text", "line"), [("a\x00b", "a b"), ("a\x1b[31m b", "a [31m b"), ("a\u200bb", "a b")])
def test_invisible_characters_are_left_out_only_where_asked(text: str, line: str) -> None:
    assert printable_line(text) == line
    assert one_line(text) != line


@given(st.text())
def test_a_printable_line_has_one_line_and_nothing_invisible(text: str) -> None:
    line = printable_line(text)
    assert line.isprintable()
    assert line == printable_line(line) == line.strip()


def test_an_error_is_one_line_of_at_most_so_many_characters() -> None:
    assert error_line(ValueError("first\nsecond")) == "first second"
    assert error_line(ValueError("x" * 400)) == "x" * 300
    assert error_line(ValueError("x" * 400), 200) == "x" * 200
    assert named_error_line(ValueError("first\nsecond")) == "ValueError: first second"
    assert named_error_line(ValueError("x" * 400), 14) == "ValueError: xx"


@pytest.mark.parametrize("silent", [TimeoutError(), OSError(""), ValueError(" \n ")])
def test_an_error_that_says_nothing_is_named(silent: Exception) -> None:
    assert error_line(silent) == type(silent).__name__
