"""Addresses in headers of any length."""

from __future__ import annotations

import pytest

from producers.mail.headers import addresses

ADDRESS = "ann@example.org"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (f'"Ann Lee" <{ADDRESS}>', [("Ann Lee", ADDRESS)]),
        (f"  Ann Lee  < {ADDRESS} > ", [("Ann Lee", ADDRESS)]),
        (f"Ann\t<{ADDRESS}>", [("Ann", ADDRESS)]),
        (f"<{ADDRESS}>", [("", ADDRESS)]),
        (f'"Ann" Lee <{ADDRESS}>', [("Ann Lee", ADDRESS)]),
    ],
)
def test_a_name_and_its_address(value: str, found: list[tuple[str, str]]) -> None:
    assert addresses([value]) == found


@pytest.mark.parametrize("filler", [" ", "\t", "x", '"', "<", ",", "@", "\\", " <", '" '])
def test_no_header_takes_long(filler: str) -> None:
    """Twenty thousand blanks once took hours: each was tried with each."""
    long = filler * 20_000
    for value in (long, long + ADDRESS, f"{long} <{ADDRESS}", f"<{ADDRESS}>{long}", f"{long}<{long}>"):
        assert len(addresses([value])) <= 20_000


def test_the_first_twenty_thousand_characters_of_a_header_are_read() -> None:
    filled = ", " * ((20_000 - len(ADDRESS)) // 2)
    shown = addresses([filled + "," * (20_000 - len(ADDRESS) - len(filled)) + ADDRESS])
    assert shown == [("", ADDRESS)]
    longer = addresses([" " + filled + "," * (20_000 - len(ADDRESS) - len(filled)) + ADDRESS])
    assert longer == [("", ADDRESS[:-1])]
