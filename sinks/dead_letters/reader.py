"""`python -m sinks dlq list|show|replay`: dead letters of every topic, looked at and sent back.

A replay writes the raw value with its original key to the topic named in the letter's `replay-topic`, into the
partition that it came from, with the header `replay-of` (topic:partition:offset of the letter), and marks the letter
(`schemas/dead_letter/record.py`). A replay that is killed between the two writes is repeated by the next one, which does no harm:
events carry deterministic ids, facts carry versions, and a message that was delivered is not delivered again.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from aiokafka import AIOKafkaProducer

from schemas.codec import decode
from schemas.dead_letter import reader
from schemas.dead_letter.record import REPLAY_HEADER, Letter, mark_of, parse_spot
from schemas.errors import CodecError, ConfigurationError
from schemas.settings import SinkSettings
from schemas.topics import TOPICS
from sinks import kafka


def target(letter: Letter, settings: SinkSettings) -> str:
    """The topic a letter goes back to, in this deployment; '' when only a producer can take it again."""
    name = letter.replay_topic
    return settings.namespace + name if name in {topic.name for topic in TOPICS} else name


def home(letter: Letter, settings: SinkSettings) -> int | None:
    """The partition that the record came from, where it goes back to; None when its key has to decide."""
    topic, _, place = letter.headers.get("origin", "").partition("/")
    partition = place.partition("/")[0]
    return int(partition) if topic == target(letter, settings) and partition.isdigit() else None


async def find(settings: SinkSettings, place: str) -> Letter:
    """The letter at `TOPIC:PARTITION:OFFSET`.

    Raises:
        ConfigurationError: there is none (any more).
    """
    found = await reader.find(settings, parse_spot(place, settings))
    if found is None:
        raise ConfigurationError(f"there is no letter at {place}", fix="`dlq list` shows those that there are")
    return found


async def replay(
    settings: SinkSettings, chosen: Sequence[Letter], *, dry_run: bool = False
) -> tuple[int, list[Letter]]:
    """Send letters back; returns how many, and those that only their producer can take again.

    Raises:
        Unavailable: Kafka does not answer; run it again, those already marked stay marked.
    """
    by_hand = [letter for letter in chosen if not target(letter, settings)]
    ready = [letter for letter in chosen if target(letter, settings)]
    if not ready or dry_run:
        return len(ready), by_hand
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
    now = settings.pipeline_clock.now()
    marks = [
        await producer.send(
            letter.topic,
            b"",
            key=letter.key,
            partition=letter.partition,
            headers=mark_of(letter, now),
        )
        for letter in some
    ]
    for future in marks:
        await future


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
