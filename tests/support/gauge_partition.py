"""A partition that keeps its gauges and counters as a worker does, without Kafka.

partition = GaugePartition(processor)
partition.fold(records)        # one batch: its durable changes move the gauges and counters
partition.read(most=3)         # a slice of the states, as after an assignment; without `most` all that are left
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from schemas.service_metrics import ServiceMetric
from stream_processors.runtime.batch import BatchFolder, Folded, Overlay
from stream_processors.runtime.gauges import Labels
from stream_processors.runtime.processor import Processor
from tests.support.memory_worker import MemoryWorker


class GaugePartition:
    """Holds stored states, their gauges, the counts of all batches and the records that were written."""

    def __init__(self, processor: Processor) -> None:
        assert processor.gauges is not None
        self.folder = BatchFolder(processor, processor.topic.name, lambda: 0)
        self.store: dict[bytes, bytes] = {}
        self.gauges: Any = processor.gauges()
        self.counts: Counter[tuple[ServiceMetric, Labels]] = Counter()
        self.outputs: list[Any] = []

    def fold(self, records: Sequence[Any]) -> None:
        """Folds one batch of records (with `.offset .key .value`)."""
        codec = self.folder.codec
        folded: Folded = self.folder.fold(0, records, Overlay(codec, self.store.get, self._scan))
        for key, state in folded.states.items():
            if state is None:
                self.store.pop(key, None)
            else:
                self.store[key] = codec.dump(key, state)
            self.gauges.changed(key, folded.before.get(key), state)
        for each in folded.counts:
            once = each.metric is ServiceMetric.FIRST_RESPONSE_SECONDS  # a histogram: one more observation
            self.counts[each.metric, each.labels] += 1 if once else int(each.value)
        self.outputs += [output.record for _, output in folded.outputs]

    def read(self, most: int | None = None) -> None:
        """Reads the next states, at most so many; finishes after the last. Does nothing once all were read."""
        if self.gauges.cursor is None:
            return
        left = [key for key in sorted(self.store) if key[0] in self.gauges.prefixes and key > self.gauges.cursor]
        for key in left[:most]:
            self.gauges.read(key, self.folder.codec.load(key, self.store[key]))
        if most is None or len(left) <= most:
            self.gauges.finish()

    def read_again(self) -> Any:
        """Returns the gauges that a process has which reads all states now."""
        again = GaugePartition(self.folder.processor)
        again.store = self.store
        again.read()
        return again.gauges

    def states(self, prefix: bytes) -> list[Any]:
        """Returns the decoded states whose key starts with `prefix`."""
        return [self.folder.codec.load(key, value) for key, value in self._scan(prefix)]

    def total(self, metric: ServiceMetric) -> int:
        """Returns the sum of a counter over all its labels."""
        return sum(count for (counted, _), count in self.counts.items() if counted is metric)

    def _scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return ((key, self.store[key]) for key in sorted(self.store) if key.startswith(prefix))


def played(worker: MemoryWorker) -> GaugePartition:
    """Returns a partition that folded the log of this worker, record by record, and read its states then."""
    partition = GaugePartition(worker.processor)
    for record in worker.log:
        partition.fold([record])
    partition.read()
    return partition
