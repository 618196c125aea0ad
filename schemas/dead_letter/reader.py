"""Reads dead letters, and any other stretch of Kafka's log, from one end to the other and no further."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.dead_letter import headers as dead_letter_headers
from schemas.dead_letter.record import DeadLetter, Position, oldest_first
from schemas.dead_letter.replay_markers import replayed_position
from schemas.errors import Unavailable
from schemas.kafka_security import security
from schemas.settings import Settings
from schemas.topics import DEAD_LETTERS, Topic

#: Partition → first offset, and the one behind the last.
Spans = dict[TopicPartition, tuple[int, int]]


async def dead_letters(
    settings: Settings,
    *,
    topics: Iterable[Topic] = DEAD_LETTERS,
    wanted: Callable[[DeadLetter], bool] = lambda dead_letter: True,
    include_replayed: bool = False,
    bodies: bool = True,
) -> list[DeadLetter]:
    """Returns the wanted dead letters that were not replayed, oldest first; only those that exist at the call.

    Without `bodies` raw bytes and tracebacks are left out: there may be more of them than memory.

    Raises:
        Unavailable: Kafka does not answer.
    """
    found: list[DeadLetter] = []
    replayed: set[Position] = set()
    async with reader(settings) as consumer:
        places = await spans(consumer, [settings.topic(topic) for topic in topics])
        async for record in records(consumer, places):
            headers = dead_letter_headers.read(record.headers)
            if marked := replayed_position(record.topic, record.partition, headers):
                replayed.add(marked)
            elif wanted(dead_letter := _dead_letter(record, headers)):
                found.append(dead_letter if bodies else dead_letter.light())
    if not include_replayed:
        found = [dead_letter for dead_letter in found if dead_letter.position not in replayed]
    return oldest_first(found)


async def bodies(settings: Settings, some: Iterable[DeadLetter]) -> list[DeadLetter]:
    """Returns the same dead letters with their raw bytes, in the same order; without those that Kafka has no more.

    Raises:
        Unavailable: Kafka does not answer.
    """
    some = list(some)
    stretches: dict[TopicPartition, tuple[int, int]] = {}
    for dead_letter in some:
        place = TopicPartition(dead_letter.topic, dead_letter.partition)
        first, end = stretches.get(place, (dead_letter.offset, 0))
        stretches[place] = min(first, dead_letter.offset), max(end, dead_letter.offset + 1)
    wanted, found = {dead_letter.position for dead_letter in some}, {}
    async with reader(settings) as consumer:
        known = await spans(consumer, {dead_letter.topic for dead_letter in some})
        left = {
            place: (max(first, known[place][0]), end) for place, (first, end) in stretches.items() if place in known
        }
        async for record in records(consumer, left):
            if (position := (record.topic, record.partition, record.offset)) in wanted:
                found[position] = _dead_letter(record, dead_letter_headers.read(record.headers))
    return [found[dead_letter.position] for dead_letter in some if dead_letter.position in found]


async def find(settings: Settings, position: Position) -> DeadLetter | None:
    """Returns the dead letter at this position, replayed or not; None when there is none (any more).

    Raises:
        Unavailable: Kafka does not answer.
    """
    topic, partition, offset = position
    source = TopicPartition(topic, partition)
    async with reader(settings) as consumer:
        known = await spans(consumer, [topic])
        if source in known and known[source][0] <= offset < known[source][1]:
            async for record in records(consumer, {source: (offset, offset + 1)}):
                headers = dead_letter_headers.read(record.headers)
                if record.offset == offset and replayed_position(topic, partition, headers) is None:
                    return _dead_letter(record, headers)
    return None


@asynccontextmanager
async def reader(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """Opens a consumer without a group, which commits nothing.

    Raises:
        Unavailable: Kafka does not answer, at the start or later.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 << 20,
        fetch_max_wait_ms=100,
        **security(settings),
    )
    try:
        await consumer.start()
        yield consumer
    except (KafkaError, OSError) as error:
        raise Unavailable(f"Kafka at {settings.kafka_bootstrap_servers} does not answer: {error}") from error
    finally:
        await consumer.stop()


async def partitions(consumer: AIOKafkaConsumer, names: Iterable[str]) -> list[TopicPartition]:
    """Returns every partition of those topics that exist, and assigns them to the consumer, which has no group."""
    present = sorted(set(names) & set(await consumer.topics()))
    if not present:
        return []
    consumer.assign([TopicPartition(name, 0) for name in present])  # from here on it knows about these topics
    while any(consumer.partitions_for_topic(name) is None for name in present):  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)
    found = [TopicPartition(name, number) for name in present for number in sorted(consumer.partitions_for_topic(name))]
    consumer.assign(found)
    return found


async def spans(consumer: AIOKafkaConsumer, names: Iterable[str], *, since_ms: int | None = None) -> Spans:
    """Returns the stretch of every partition that exists now, from `since_ms` on (wall milliseconds) when it is given."""
    places = await partitions(consumer, names)
    if not places:
        return {}
    first, end = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    if since_ms is not None:
        found: Mapping[TopicPartition, Any] = await consumer.offsets_for_times(dict.fromkeys(places, max(0, since_ms)))
        first = {place: end[place] if at is None else at.offset for place, at in found.items()}
    return {place: (first[place], end[place]) for place in places}


async def records(consumer: AIOKafkaConsumer, places: Spans, *, tombstones: bool = False) -> AsyncIterator[Any]:
    """Yields the records between first and end of every partition, in the order of each.

    The tombstones of erasures only where they are asked for.
    """
    left = {place: end for place, (first, end) in places.items() if first < end}
    if not left:
        return
    consumer.assign(list(left))
    for place in left:
        consumer.seek(place, places[place][0])
    while left:
        for place, some in (await consumer.getmany(*left, timeout_ms=200, max_records=2000)).items():
            for record in some:
                if record.offset < left[place] and (tombstones or record.value is not None):
                    yield record
        for place in list(left):
            if await consumer.position(place) >= left[place]:
                del left[place]


def _dead_letter(record: Any, headers: dict[str, str]) -> DeadLetter:
    value = record.value or b""
    return DeadLetter(
        record.topic, record.partition, record.offset, record.key, value, headers, record.timestamp, len(value)
    )
