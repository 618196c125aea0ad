"""The limit of failed records: past it a worker stops before the commit, instead of draining the log into dead letters.

Undecodable records and defects count. A refused record does not: it was read and answered, and a stranger can send any
number of them. It is left out of the count altogether, so that refusals in between hide no defects either.
"""

from __future__ import annotations

from collections.abc import Iterable

from stream_processors.runtime.batch import Failure, Folded

__all__ = ["FailureLimit"]

#: In a smaller batch a ratio says nothing.
RATIO_MINIMUM_RECORDS = 20
_REASONS_SHOWN = 5


class FailureLimit:
    """Counts the defects of one worker: at most `most_in_a_row - 1` one after another, at most `most_ratio` of a batch."""

    def __init__(self, most_in_a_row: int, most_ratio: float) -> None:
        self._most_in_a_row, self._most_ratio = most_in_a_row, most_ratio
        self._run = 0

    def exceeded(self, records: int, folded: Folded) -> str:
        """Takes the next batch of so many records. Returns why the worker must stop; '' while it may go on."""
        defects = [failure for failure in folded.failures if not failure.refused]
        failed, counted = len(defects), records - (len(folded.failures) - len(defects))
        self._run = self._run + failed if failed == counted else folded.longest_defect_run
        if self._run >= self._most_in_a_row:
            return f"{self._run} records in a row failed: {_reasons(defects)}"
        if counted >= RATIO_MINIMUM_RECORDS and failed / counted > self._most_ratio:
            return f"{failed} of {counted} records of one batch failed: {_reasons(defects)}"
        return ""


def _reasons(failures: Iterable[Failure]) -> str:
    reasons = sorted({f"{failure.stage}/{failure.reason}" for failure in failures})
    return ", ".join(reasons[:_REASONS_SHOWN])
