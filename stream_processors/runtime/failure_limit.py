"""The limit of failed records: past it a worker stops before the commit, instead of draining the log into dead letters."""

from __future__ import annotations

from stream_processors.runtime.batch import Folded

__all__ = ["FailureLimit"]

#: In a smaller batch a ratio says nothing.
RATIO_MINIMUM_RECORDS = 20
_REASONS_SHOWN = 5


class FailureLimit:
    """Counts the failures of one worker: at most `most_in_a_row - 1` one after another, at most `most_ratio` of a batch."""

    def __init__(self, most_in_a_row: int, most_ratio: float) -> None:
        self._most_in_a_row, self._most_ratio = most_in_a_row, most_ratio
        self._run = 0

    def exceeded(self, records: int, folded: Folded) -> str:
        """Takes the next batch of so many records. Returns why the worker must stop; '' while it may go on."""
        failed = len(folded.failures)
        self._run = self._run + failed if failed == records else folded.longest_failure_run
        if self._run >= self._most_in_a_row:
            return f"{self._run} records in a row failed: {_reasons(folded)}"
        if records >= RATIO_MINIMUM_RECORDS and failed / records > self._most_ratio:
            return f"{failed} of {records} records of one batch failed: {_reasons(folded)}"
        return ""


def _reasons(folded: Folded) -> str:
    reasons = sorted({f"{failure.stage}/{failure.reason}" for failure in folded.failures})
    return ", ".join(reasons[:_REASONS_SHOWN])
