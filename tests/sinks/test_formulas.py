"""CSV that a person opens in a spreadsheet: what customers write is text there, and no formula."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.clickhouse.query import without_formulas


def written(*fields: str | float) -> str:
    """A line as ClickHouse writes it: texts in quotes, numbers without."""
    doubled = ['"' + field.replace('"', '""') + '"' if isinstance(field, str) else str(field) for field in fields]
    return ",".join(doubled) + "\n"


def read(text: str) -> list[str]:
    [row] = csv.reader(io.StringIO(text, newline=""))
    return row


@pytest.mark.parametrize(
    "attack",
    [
        "=cmd|' /C calc'!A1",
        "+1+1",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =HYPERLINK(\"http://evil\")",
        "\u200b=1",
        "\ufeff=1",
        "＝1+1",
        "＠SUM(A1)",
        "%0A=1",
        "|calc",
    ],
)  # fmt: skip
def test_a_formula_of_a_customer_is_text(attack: str) -> None:
    line = without_formulas(written(attack, -5, "Where is it?", attack))
    assert read(line) == [f"'{attack}", "-5", "Where is it?", f"'{attack}"]


def test_numbers_and_plain_texts_stay_as_they_are() -> None:
    line = written("subject", "a=b", 'said "=1"', "", -1.5, 7, "荷物")
    assert without_formulas(line) == line


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])) | st.integers(), min_size=1, max_size=5))
def test_no_field_begins_as_a_formula_and_none_is_lost(fields: list[str | int]) -> None:
    row = read(without_formulas(written(*fields)))
    assert len(row) == len(fields)
    for field, cell in zip(fields, row, strict=True):
        assert cell in (str(field), f"'{field}")
        assert isinstance(field, int) or not cell.startswith(tuple("=+-@\t\r\n"))
