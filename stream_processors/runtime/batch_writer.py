"""Puts the result of a batch into the records that Kafka stores: outputs, dead letters and the changelog of states."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from schemas import codec
from schemas.record_key import name_of, partition_of, record_key
from schemas.settings import WorkerSettings
from schemas.topics import TOPIC_OF
from stream_processors.runtime.batch import Failure
from stream_processors.runtime.batch_producer import BatchProducer
from stream_processors.runtime.processor import Output, Processor

__all__ = ["BatchWriter"]


class BatchWriter:
    """Knows the topics of one processor in this deployment; `changelog` is the changelog topic of its states."""

    def __init__(self, processor: Processor, settings: WorkerSettings, changelog: str) -> None:
        self._kinds, self._partitions, self._changelog = tuple(processor.kinds), settings.partitions, changelog
        self._topics = {kind: settings.topic(topic) for kind, topic in TOPIC_OF.items()}
        self._dead_letters = settings.namespace + processor.topic.dlq

    def add_outputs(
        self, writes: BatchProducer, partition: int, outputs: Iterable[tuple[bytes | None, Output]]
    ) -> None:
        """Adds the outputs of records of this partition, each with the name in the key of its record or one of its own."""
        encode, topics, add, partitions = codec.encode, self._topics, writes.add, self._partitions
        unique = record_key
        for source_key, output in outputs:
            record, key = output.record, output.key
            if key is None:
                add(topics[type(record)], partition, unique(name_of(source_key)), encode(record))
            else:
                name = key.encode()
                add(topics[type(record)], partition_of(name, partitions), unique(name), encode(record))

    def add_dead_letters(self, writes: BatchProducer, partition: int, failures: Iterable[Failure]) -> None:
        """Adds the records of this partition that could not be folded."""
        for failure in failures:
            writes.add(self._dead_letters, partition, record_key(name_of(failure.key)), failure.value, failure.headers)

    async def write_changelog(self, writes: BatchProducer, partition: int, values: Mapping[bytes, bytes | None]) -> int:
        """Makes states durable, in the processor's order of kinds; returns the last changelog offset, -1 for no states.

        They all go to one partition, whose log an idempotent producer never reorders: whatever a crash cuts off, the
        log holds a beginning of this sequence.

        Raises:
            Unavailable: Kafka did not acknowledge.
        """
        for prefix in self._kinds:
            for key, value in values.items():
                if key[:1] == prefix:
                    writes.add(self._changelog, partition, key, value)
        return (await writes.flush()).get((self._changelog, partition), -1)
