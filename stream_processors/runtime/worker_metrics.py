"""The metrics of one worker loop: records, batches and their phases, commits, lag."""

from __future__ import annotations

from collections.abc import Iterable

from schemas import metrics
from stream_processors.runtime.batch import Failure, Folded

__all__ = ["WorkerMetrics"]


class WorkerMetrics:
    """Moves the metrics of the agent `name`."""

    def __init__(self, name: str) -> None:
        self._name = name
        for counter in (
            *(metrics.RECORDS_PROCESSED, metrics.RECORDS_SKIPPED, metrics.OUTPUTS_WRITTEN),
            metrics.TICKS_APPENDED,
        ):
            counter.labels(name)  # begins at 0
        metrics.RECORDS_DEAD_LETTERED.labels(name, "decode", "broken_body", "undecodable")
        metrics.RECORDS_DEAD_LETTERED.labels(name, "fold", "defect", "defect")
        self._phases = {
            phase: metrics.BATCH_SECONDS.labels(name, phase) for phase in ("fold", "outputs", "states", "whole")
        }

    def dead_letters(self, failures: Iterable[Failure]) -> None:
        """Counts records that could not be folded, by stage and reason."""
        for failure in failures:
            metrics.RECORDS_DEAD_LETTERED.labels(self._name, failure.stage, failure.reason, failure.kind).inc()

    def committed(self, records: int, folded: Folded, written: int) -> None:
        """Counts an acknowledged batch of so many records, which wrote so many."""
        metrics.RECORDS_PROCESSED.labels(self._name).inc(folded.folded)
        metrics.RECORDS_SKIPPED.labels(self._name).inc(folded.skipped)
        metrics.OUTPUTS_WRITTEN.labels(self._name).inc(written)
        metrics.BATCH_RECORDS.labels(self._name).observe(records)
        metrics.LAST_COMMIT_SECONDS.labels(self._name).set_to_current_time()

    def lag(self, partition: int, records: int) -> None:
        """Sets how many records of a partition are not durable yet."""
        metrics.LAG_RECORDS.labels(self._name, str(partition)).set(records)

    def phases(self, began: float, folded: float, outputs_durable: float, ended: float) -> None:
        """Observes the phases of a batch; the arguments are instants in seconds of one clock."""
        self._phases["fold"].observe(folded - began)
        self._phases["outputs"].observe(outputs_durable - folded)
        self._phases["states"].observe(ended - outputs_durable)
        self._phases["whole"].observe(ended - began)
