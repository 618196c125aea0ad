"""A worker stops before the commit when too many records fail, one after another or in one batch."""

from __future__ import annotations

import pytest

from stream_processors.runtime.batch import Failure, Folded
from stream_processors.runtime.failure_limit import FailureLimit


def batch(failed: int, run: int = 0, *, reason: str = "defect") -> Folded:
    failures = [Failure(b"k", b"", [], "tag", reason)] * failed
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
    ],
)
def test_the_limit_is_exceeded(batches: list[tuple[int, Folded]], why: str) -> None:
    limit = FailureLimit(most_in_a_row=3, most_ratio=0.5)
    assert [limit.exceeded(records, folded) for records, folded in batches] == [""] * (len(batches) - 1) + [why]


def test_at_most_five_reasons_are_named() -> None:
    failures = [batch(1, reason=f"r{number}").failures[0] for number in range(7)]
    why = FailureLimit(1, 1.0).exceeded(7, Folded({}, [], failures, 0, 0, 7, {}, []))
    assert why == "7 records in a row failed: tag/r0, tag/r1, tag/r2, tag/r3, tag/r4"
