"""A worker stops before the commit when too many records fail, one after another or in one batch; refusals do not count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_processors.runtime.batch import Failure, Folded
from stream_processors.runtime.failure_limit import FailureLimit


def batch(failed: int, run: int = 0, *, reason: str = "defect", refused: int = 0) -> Folded:
    failures = [Failure(b"k", b"", [], "tag", reason)] * failed
    failures += [Failure(b"k", b"", [], "thread", "unknown_ticket", refused=True)] * refused
    return Folded({}, [], failures, 0, 0, run, {}, [])


@pytest.mark.parametrize(
    ("batches", "why"),
    [
        ([(3, batch(2, 2))], ""),
        ([(4, batch(3, 3))], "3 records in a row failed: tag/defect"),
        ([(2, batch(2, 2)), (1, batch(1, 1))], "3 records in a row failed: tag/defect"),  # over batches
        ([(2, batch(2, 2)), (2, batch(1, 1)), (1, batch(1, 1))], ""),  # a good record ends the run
        ([(2, batch(2, 2)), (1, batch(0)), (1, batch(1, 1))], ""),
        ([(20, batch(10, 2))], ""),  # half of a batch may fail
        ([(20, batch(11, 2))], "11 of 20 records of one batch failed: tag/defect"),
        ([(19, batch(18, 2))], ""),  # a ratio of few records says nothing
        (
            [(60, batch(0, refused=60)), (60, batch(0, refused=60))],
            "",
        ),  # refused records are answered, whole batches of them
        ([(2, batch(2, 2)), (60, batch(0, refused=60)), (1, batch(1, 1))], "3 records in a row failed: tag/defect"),
        (
            [(2, batch(2, 2)), (9, batch(1, 1, refused=8))],
            "3 records in a row failed: tag/defect",
        ),  # nothing hides there
        ([(60, batch(10, 2, refused=40))], ""),  # half of those that were not refused
        ([(60, batch(11, 2, refused=40))], "11 of 20 records of one batch failed: tag/defect"),
        ([(60, batch(11, 2, refused=41))], ""),  # 19 are few, however many were refused
    ],
)
def test_the_limit_is_exceeded(batches: list[tuple[int, Folded]], why: str) -> None:
    limit = FailureLimit(most_in_a_row=3, most_ratio=0.5)
    assert [limit.exceeded(records, folded) for records, folded in batches] == [""] * (len(batches) - 1) + [why]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30), st.integers(0, 500)), min_size=1, max_size=20))
def test_refusals_change_nothing_that_the_limit_says(batches: list[tuple[int, int, int]]) -> None:
    """Whoever sends refused records, however many and in whatever batch, neither stops a worker nor keeps one going."""
    with_them, without = FailureLimit(20, 0.5), FailureLimit(20, 0.5)
    for defects, good, refused in batches:
        said = with_them.exceeded(defects + good + refused, batch(defects, defects, refused=refused))
        assert said == without.exceeded(defects + good, batch(defects, defects))


def test_at_most_five_reasons_are_named() -> None:
    failures = [batch(1, reason=f"r{number}").failures[0] for number in range(7)]
    why = FailureLimit(1, 1.0).exceeded(7, Folded({}, [], failures, 0, 0, 7, {}, []))
    assert why == "7 records in a row failed: tag/r0, tag/r1, tag/r2, tag/r3, tag/r4"
