"""A test over many cases in one item fails for each case that fails, and for none."""

from __future__ import annotations

import pytest

from tests.support.each import each


def test_every_case_that_fails_is_reported_with_its_name() -> None:
    @each("number", [1, 2, 3])
    def is_two(number: int) -> None:
        assert number == 2

    with pytest.raises(ExceptionGroup, match="2 of 3 cases fail") as caught:
        is_two()
    assert [each.__notes__ for each in caught.value.exceptions] == [["case: 1"], ["case: 3"]]


def test_a_test_without_a_case_fails() -> None:
    @each("number", [])
    def never(number: int) -> None:
        raise AssertionError("not reached")

    with pytest.raises(AssertionError, match="no case"):
        never()


@each(("left", "right"), [(1, 2), (3, 4)])
@each("factor", [1, 10])
def test_cases_of_two_lists_are_combined_beside_fixtures(left: int, right: int, factor: int, tmp_path: object) -> None:
    assert (right - left) * factor == factor
    assert tmp_path
