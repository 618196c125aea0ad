"""`python -m sinks dlq list|show|replay`: dead letters of every topic, looked at and sent back.

A replay writes the raw value with its original key to the topic named in the letter's `replay-topic`, into the
partition that it came from, with the header `replay-of` (topic:partition:offset of the letter). Then it appends a
*mark* to the dead-letter partition: an empty record with the header `replayed` (the letter's offset). Kafka's log
cannot be changed in place, and a mark in the same partition lives exactly as long as the letters do and needs no other
store. Marked letters are hidden and are not replayed again. A replay that is killed between the two writes is repeated
by the next one, which does no harm: events carry deterministic ids, facts carry versions, and a message that was
delivered is not delivered again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas import deadletter
from schemas.codec import decode
from schemas.errors import CodecError, ConfigurationError
from schemas.settings import SinkSettings
from schemas.topics import DEAD_LETTERS, TOPICS
from sinks import kafka
from sinks.deliver import REPLAY_HEADER

MARK = "replayed"
BY_HAND = "normalise it again: it is the raw input of a producer"


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. `topic` is the dead-letter topic's name in this deployment."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: dict[str, str]
    timestamp_ms: int

    @property
    def place(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"

    @property
    def reason(self) -> str:
        return self.headers.get("reason", "")

    @property
    def replay_topic(self) -> str:
        return self.headers.get("replay-topic", "")


def parse_place(text: str, settings: SinkSettings) -> tuple[str, int, int]:
    """`TOPIC:PARTITION:OFFSET`; the topic with or without the deployment's namespace.

    Raises:
        ConfigurationError: it is not of that form, or not one of our dead-letter topics.
    """
    topic, _, rest = text.partition(":")
    partition, _, offset = rest.partition(":")
    names = {settings.topic(known) for known in DEAD_LETTERS}
    topic = topic if topic in names else settings.namespace + topic
    if topic not in names or not partition.isdigit() or not offset.isdigit():
        raise ConfigurationError(
            f"{text!r} is not a dead letter's place",
            where="TOPIC:PARTITION:OFFSET",
            fix="take one from `dlq list`; topics: " + ", ".join(known.name for known in DEAD_LETTERS),
        )
    return topic, int(partition), int(offset)


def target(letter: Letter, settings: SinkSettings) -> str:
    """The topic a letter goes back to, in this deployment; '' when only a producer can take it again."""
    name = letter.replay_topic
    return settings.namespace + name if name in {topic.name for topic in TOPICS} else name


def home(letter: Letter, settings: SinkSettings) -> int | None:
    """The partition that the record came from, where it goes back to; None when its key has to decide."""
    topic, _, place = letter.headers.get("origin", "").partition("/")
    partition = place.partition("/")[0]
    return int(partition) if topic == target(letter, settings) and partition.isdigit() else None


async def letters(settings: SinkSettings, *, include_replayed: bool = False) -> list[Letter]:
    """Every letter that was not replayed, oldest first; only letters that existed when this was called.

    Raises:
        Unavailable: Kafka does not answer.
    """
    found: list[Letter] = []
    replayed: set[tuple[str, int, int]] = set()
    async with _reader(settings) as consumer:
        places = await _partitions(settings, consumer)
        async for record in _read(consumer, places):
            headers = deadletter.read(record.headers)
            if MARK in headers:
                replayed.add((record.topic, record.partition, int(headers[MARK])))
            else:
                found.append(_letter(record, headers))
    if not include_replayed:
        found = [letter for letter in found if (letter.topic, letter.partition, letter.offset) not in replayed]
    return sorted(found, key=lambda letter: (letter.timestamp_ms, letter.place))


async def find(settings: SinkSettings, place: str) -> Letter:
    """The letter at `TOPIC:PARTITION:OFFSET`.

    Raises:
        ConfigurationError: there is none (any more).
    """
    topic, partition, offset = parse_place(place, settings)
    source = TopicPartition(topic, partition)
    async with _reader(settings) as consumer:
        known = await _partitions(settings, consumer)
        if source in known and known[source][0] <= offset < known[source][1]:
            async for record in _read(consumer, {source: (offset, offset + 1)}):
                headers = deadletter.read(record.headers)
                if record.offset == offset and MARK not in headers:
                    return _letter(record, headers)
    raise ConfigurationError(f"there is no letter at {place}", fix="`dlq list` shows those that there are")


async def replay(settings: SinkSettings, chosen: Sequence[Letter]) -> tuple[int, list[Letter]]:
    """Send letters back; returns how many, and those that only their producer can take again.

    Raises:
        Unavailable: Kafka does not answer; run it again, those already marked stay marked.
    """
    by_hand = [letter for letter in chosen if not target(letter, settings)]
    ready = [letter for letter in chosen if target(letter, settings)]
    if not ready:
        return 0, by_hand
    producer = kafka.producer(settings)
    await kafka.start(settings, producer)
    try:
        for start in range(0, len(ready), 500):
            await _send(settings, producer, ready[start : start + 500])
    finally:
        await producer.stop()
    return len(ready), by_hand


async def _send(settings: SinkSettings, producer: AIOKafkaProducer, some: Sequence[Letter]) -> None:
    sent = [
        await producer.send(
            target(letter, settings),
            letter.value,
            key=letter.key,
            partition=home(letter, settings),
            headers=[(REPLAY_HEADER, letter.place.encode())],
        )
        for letter in some
    ]
    for future in sent:
        await future
    await mark(settings, producer, some)


async def mark(settings: SinkSettings, producer: AIOKafkaProducer, some: Sequence[Letter]) -> None:
    """Note that these letters were replayed; returns when that is durable."""
    now = str(settings.pipeline_clock.now()).encode()
    marks = [
        await producer.send(
            letter.topic,
            b"",
            key=letter.key,
            partition=letter.partition,
            headers=[(MARK, str(letter.offset).encode()), ("reason", MARK.encode()), ("at", now)],
        )
        for letter in some
    ]
    for future in marks:
        await future


def choose(all_letters: Iterable[Letter], *, reason: str = "", topic: str = "", namespace: str = "") -> list[Letter]:
    """Those with this reason and on this dead-letter topic; '' is any."""
    return [
        letter
        for letter in all_letters
        if (not reason or letter.reason == reason) and (not topic or letter.topic in (topic, namespace + topic))
    ]


def preview(value: bytes, limit: int = 2048) -> str:
    """What the bytes are: our record decoded, or text, or a hexdump."""
    try:
        return msgspec.json.format(msgspec.json.encode(decode(value)), indent=2).decode()
    except CodecError as error:
        reason = f"({error})"
    try:
        text = value[:limit].decode("utf-8")
        if all(c.isprintable() or c in "\r\n\t" for c in text):
            return text + ("…" if len(value) > limit else "")
    except UnicodeDecodeError:
        pass
    return f"{reason}\n{hexdump(value, limit)}"


def hexdump(value: bytes, limit: int = 2048) -> str:
    """Offset, sixteen bytes, their ASCII; at most `limit` bytes."""
    lines = []
    for start in range(0, min(len(value), limit), 16):
        row = value[start : start + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{start:08x}  {row.hex(' '):<47}  {text}")
    if len(value) > limit:
        lines.append(f"... {len(value) - limit} bytes more")
    return "\n".join(lines) or "(empty)"


def age(milliseconds: int) -> str:
    """`45s`, `12m`, `3h`, `8d`."""
    seconds = max(0, milliseconds // 1000)
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


@asynccontextmanager
async def _reader(settings: SinkSettings) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = kafka.consumer(settings, None)
    await kafka.start(settings, consumer)
    try:
        yield consumer
    finally:
        await consumer.stop()


async def _partitions(settings: SinkSettings, consumer: AIOKafkaConsumer) -> dict[TopicPartition, tuple[int, int]]:
    """Partition → first offset and end, of every dead-letter topic that exists."""
    places = await kafka.partitions(consumer, [settings.topic(topic) for topic in DEAD_LETTERS])
    if not places:
        return {}
    first, end = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    return {place: (first[place], end[place]) for place in places}


async def _read(consumer: AIOKafkaConsumer, places: dict[TopicPartition, tuple[int, int]]) -> AsyncIterator[Any]:
    """The records between first and end of every place."""
    left = {place: end for place, (first, end) in places.items() if first < end}
    if not left:
        return
    consumer.assign(list(left))
    for place in left:
        consumer.seek(place, places[place][0])
    while left:
        for place, records in (await consumer.getmany(*left, timeout_ms=200, max_records=2000)).items():
            for record in records:
                if record.offset < left[place]:
                    yield record
        for place in list(left):
            if await consumer.position(place) >= left[place]:
                del left[place]


def _letter(record: Any, headers: dict[str, str]) -> Letter:
    value = record.value or b""
    return Letter(record.topic, record.partition, record.offset, record.key, value, headers, record.timestamp)
