"""Which markup is too deep to be parsed."""

from __future__ import annotations

import pytest

from producers.text import markup

#: Their end tags may be left out, or they have none: they stand beside each other, not in each other.
SIDE_BY_SIDE = (
    *("p", "li", "br", "hr", "img", "input", "meta", "link", "tr", "td", "th", "tbody", "thead", "tfoot"),
    *("dd", "dt", "option", "col", "area", "wbr"),
)


@pytest.mark.parametrize("tag", SIDE_BY_SIDE)
def test_elements_side_by_side_are_not_deep(tag: str) -> None:
    assert not markup._too_deep(f"<{tag}>" * 1_000)
    assert not markup._too_deep(f"<{tag.upper()}>" * 1_000)


@pytest.mark.parametrize("tag", ["div", "span", "b", "table", "font"])
def test_elements_within_each_other_are_deep(tag: str) -> None:
    assert not markup._too_deep(f"<{tag}>" * 250)
    assert markup._too_deep(f"<{tag}>" * 251)
    assert not markup._too_deep(f"<{tag}></{tag}>" * 1_000)
    assert not markup._too_deep(f"</{tag}>" * 10 + f"<{tag}>" * 250)
    assert markup._too_deep(f"</{tag}>" * 10 + f"<{tag}>" * 251)
