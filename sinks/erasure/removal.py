"""Lets Kafka remove the bytes of records: a tombstone for the key of each, and compaction while it is needed.

No two records share a key (`schemas/record_key.py`), so compaction removes what has a tombstone and nothing else. It is
switched on for the topics concerned, with settings that make the cleaner run at once, and off again when nothing is left. A
partition's newest segment is never cleaned, and is only closed when a record comes after `segment.ms`; so a record that nobody
reads, a tombstone of no key's, is appended from time to time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from schemas.admin import ERASING, administrator, declared
from schemas.dead_letter import reader
from schemas.errors import Unavailable
from schemas.record_key import record_key
from schemas.settings import Settings
from sinks.erasure.log import Found

__all__ = ["compacting", "end_interrupted", "removed", "tombstones"]

#: What a topic is set to while its records are removed.
FORCED = {
    "cleanup.policy": ERASING,
    "segment.ms": "1000",
    "min.cleanable.dirty.ratio": "0.0",
    "delete.retention.ms": "0",
    "file.delete.delay.ms": "1000",
    "min.compaction.lag.ms": "0",
}
POLL_SECONDS = 1.5


async def tombstones(producer: AIOKafkaProducer, records: Iterable[Found]) -> int:
    """Writes a tombstone for the key of each record, durably; returns how many."""
    places = {(each.topic, each.partition, each.key) for each in records if each.key}
    for number, (topic, partition, key) in enumerate(sorted(places), 1):
        sent = await producer.send(topic, None, key=key, partition=partition)
        if number % 1000 == 0:
            await sent
    await producer.flush()
    return len(places)


@asynccontextmanager
async def compacting(settings: Settings, topics: Collection[str]) -> AsyncIterator[None]:
    """Switches compaction on for these topics, and back to what was set before.

    Raises:
        Unavailable: Kafka does not answer, or does not let this user change topics.
    """
    before = await asyncio.to_thread(_force, settings, topics)
    try:
        yield
    finally:
        await asyncio.to_thread(_restore, settings, before)


async def removed(
    settings: Settings, producer: AIOKafkaProducer, records: Collection[Found], *, seconds: float
) -> list[Found]:
    """Waits until Kafka has removed these records, and the tombstones of their keys; returns those that are left then."""
    deadline, left = time.monotonic() + seconds, list(records)
    while left:
        for topic, partition in sorted({(each.topic, each.partition) for each in left}):
            await producer.send(topic, None, key=record_key(b""), partition=partition)
        await producer.flush()
        await asyncio.sleep(POLL_SECONDS)
        left = await _left(settings, left)
        if time.monotonic() > deadline:
            break
    return left


async def _left(settings: Settings, records: Collection[Found]) -> list[Found]:
    """Returns those that are there, or whose key has a tombstone that is. A state's key may have a newer value."""
    keys: dict[tuple[str, int], dict[bytes, list[Found]]] = {}
    for each in records:
        keys.setdefault((each.topic, each.partition), {}).setdefault(each.key, []).append(each)
    left: dict[Found, None] = {}
    async with reader.reader(settings) as consumer:
        spans = await reader.spans(consumer, {each.topic for each in records})
        places = {
            TopicPartition(topic, partition): (
                max(
                    spans[TopicPartition(topic, partition)][0],
                    min(each.offset for same in some.values() for each in same),
                ),
                spans[TopicPartition(topic, partition)][1],
            )
            for (topic, partition), some in keys.items()
        }
        async for record in reader.records(consumer, places, tombstones=True):
            for each in keys[record.topic, record.partition].get(record.key, ()):
                if record.value is None or record.offset == each.offset:
                    left[each] = None
    return list(left)


def _force(settings: Settings, topics: Collection[str]) -> Mapping[str, Mapping[str, str]]:
    if not topics:
        return {}
    with administrator(settings) as admin:
        before = _modified(admin, topics)
        _alter(admin, {name: dict(FORCED) for name in topics})
    return before


def _restore(settings: Settings, before: Mapping[str, Mapping[str, str]]) -> None:
    """Sets what was set before, unless an erasure that was killed had set it; and deletes what was not set."""
    if not before:
        return
    topics = declared(settings)
    with administrator(settings) as admin:
        changes: dict[str, dict[str, Any]] = {}
        for name, modified in before.items():
            changes[name] = {
                key: modified[key] if modified.get(key, forced) != forced else ("DELETE", None)
                for key, forced in FORCED.items()
            }
            if modified.get("cleanup.policy", ERASING) == ERASING:
                changes[name]["cleanup.policy"] = topics[name].cleanup
        _alter(admin, changes)


def end_interrupted(settings: Settings) -> list[str]:
    """Switches compaction off where an erasure that was killed had switched it on; returns those topics."""
    names = list(declared(settings))
    with administrator(settings) as admin:
        before = _modified(admin, names)
    ours = ("segment.ms", "min.cleanable.dirty.ratio", "delete.retention.ms")
    left = {name: some for name, some in before.items() if all(some.get(key) == FORCED[key] for key in ours)}
    _restore(settings, left)
    return sorted(left)


def _modified(admin: Any, topics: Collection[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, list(FORCED)) for name in topics]
    described = admin.describe_configs(resources, config_filter="modified")["topic"]
    return {name: {key: config["value"] for key, config in described.get(name, {}).items()} for name in topics}


def _alter(admin: Any, changes: Mapping[str, Mapping[str, Any]]) -> None:
    try:
        admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name, dict(some)) for name, some in changes.items()],
            incremental=True,
        )
    except KafkaError as error:
        raise Unavailable(f"Kafka does not let us change {', '.join(sorted(changes))}: {error}") from error
