"""What should have come of a log: read it from Kafka, fold it offline, and compare with what is in Kafka."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from schemas import codec
from schemas.admin import partition_count
from schemas.codec import HEADER_BYTES
from schemas.settings import Settings
from schemas.topics import FACT_TOPICS, OUTBOUND, Topic
from stream_processors.runtime.processor import Processor
from tests.support.faults.versions import encoder, version_of
from tests.support.memory_worker import IDS, MemoryWorker, Record

Facts = dict[tuple[Any, ...], bytes]


def read(settings: Settings, topic: Topic) -> Iterator[Any]:
    """Every record of a topic, partition by partition in order."""
    # the fetch at the end of one partition would hold up the first one of the next for half a second
    servers = settings.kafka_bootstrap_servers.split(",")
    consumer = KafkaConsumer(bootstrap_servers=servers, group_id=None, fetch_max_wait_ms=10)
    name, count = settings.topic(topic), partition_count(topic, settings)
    partitions = [TopicPartition(name, number) for number in range(count)]
    ends = consumer.end_offsets(partitions)
    for partition in partitions:
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        while consumer.position(partition) < ends[partition]:
            for records in consumer.poll(1000).values():
                yield from records
    consumer.close()


def facts_in_kafka(settings: Settings) -> tuple[Facts, int]:
    """Facts and outbound messages by identity, highest version; and how many records were written in all.

    What was written twice (a crash between outputs and state) must be the same bytes (in the same version of the schema).
    """
    found: dict[tuple[Any, ...], tuple[int, bytes]] = {}
    written = 0
    for topic in (*FACT_TOPICS, OUTBOUND):
        for record in read(settings, topic):
            fact = codec.decode(record.value)
            identity = (type(fact).__name__, *(getattr(fact, name) for name in IDS[type(fact)]))
            version, value = found.get(identity, (-1, b""))
            written += 1
            if fact.version == version:
                assert same(record.value, value), (
                    f"written differently at version {version}: {fact} after {codec.decode(value)}"
                )
            if fact.version >= version:
                found[identity] = fact.version, record.value
    return {identity: value for identity, (_, value) in found.items()}, written


def facts_offline(settings: Settings, *processors: Processor) -> Facts:
    """The facts that the logs give when they are folded from offset 0 into an empty state, without any crash."""
    facts, dead_letters = fold_offline(settings, *processors)
    assert dead_letters == {}
    return facts


def fold_offline(settings: Settings, *processors: Processor) -> tuple[Facts, dict[str, str]]:
    """As `facts_offline`, and the dead letters: `topic/partition/offset` of the record, and the reason."""
    facts: Facts = {}
    refused: dict[str, str] = {}
    for worker in folded_offline(settings, *processors):
        place = f"{settings.topic(worker.processor.topic)}/{worker.partition}"
        refused |= {f"{place}/{offset}": reason for offset, _, reason, _ in worker.dead_letters}
        facts.update((identity, value) for identity, value in worker.facts().items() if _is_fact(identity))
    return facts, refused


def folded_offline(settings: Settings, *processors: Processor) -> Iterator[MemoryWorker]:
    """A worker for each partition of each processor that has folded its log from offset 0, without any fault."""
    for processor in processors:
        logs: dict[int, list[Record]] = {}
        for record in read(settings, processor.topic):
            logs.setdefault(record.partition, []).append(Record(record.offset, record.key, record.value))
        for partition, log in logs.items():
            worker = MemoryWorker(processor, partition)
            worker.log = log
            worker.run()
            yield worker


def same(value: bytes, other: bytes) -> bool:
    """Whether two encodings are the same bytes, once both are in the older one's version of the schema."""
    if value == other or value[:HEADER_BYTES] == other[:HEADER_BYTES]:
        return value == other
    facts = codec.decode(value), codec.decode(other)
    older = encoder(type(facts[0]), min(version_of(value), version_of(other)))
    return older(facts[0]) == older(facts[1])


def difference(kafka: Facts, offline: Facts) -> dict[str, object]:
    """Facts that only one side has, and facts that differ: counts by kind and one example of each. Empty: equal."""
    found: dict[str, object] = {}
    for name, identities in (
        ("only in Kafka", kafka.keys() - offline.keys()),
        ("only offline", offline.keys() - kafka.keys()),
        ("different", {each for each in kafka.keys() & offline.keys() if not same(kafka[each], offline[each])}),
    ):
        if identities:
            example = min(identities, key=str)
            values = [codec.decode(side[example]) for side in (kafka, offline) if example in side]
            found[name] = (Counter(identity[0] for identity in identities), values)
    return found


def _is_fact(identity: tuple[Any, ...]) -> bool:
    return identity[0] in {kind.__name__ for kind in IDS}
