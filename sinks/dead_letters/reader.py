"""Finds, previews and replays dead letters of every topic, for `python -m sinks dlq`.

A replay writes the raw value with its original key to the topic named in the dead letter's `replay-topic`, into the
partition that it came from, with the header `replay-of` (topic:partition:offset of the dead letter), and marks the dead letter
(`schemas/dead_letter/replay_markers.py`). A replay that is killed between the two writes is repeated by the next one, which does no harm:
events carry deterministic ids, facts carry versions, and a message that was delivered is not delivered again.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from aiokafka import AIOKafkaProducer

from schemas.codec import decode
from schemas.dead_letter import reader
from schemas.dead_letter.record import DeadLetter, parse_position
from schemas.dead_letter.replay_markers import REPLAY_HEADER, replay_marker
from schemas.errors import CodecError, ConfigurationError
from schemas.record_key import name_of, record_key
from schemas.settings import SinkSettings
from schemas.topics import TOPICS
from sinks import kafka


def target(dead_letter: DeadLetter, settings: SinkSettings) -> str:
    """Returns the topic that a dead letter goes back to, in this deployment; '' when only a producer can take it again."""
    name = dead_letter.replay_topic
    return settings.namespace + name if name in {topic.name for topic in TOPICS} else name


def home(dead_letter: DeadLetter, settings: SinkSettings) -> int | None:
    """Returns the partition that the record came from and goes back to; None when its key has to decide."""
    topic, _, place = dead_letter.headers.get("origin", "").partition("/")
    partition = place.partition("/")[0]
    return int(partition) if topic == target(dead_letter, settings) and partition.isdigit() else None


async def find(settings: SinkSettings, place: str) -> DeadLetter:
    """Returns the dead letter at `TOPIC:PARTITION:OFFSET`.

    Raises:
        ConfigurationError: there is none (any more).
    """
    found = await reader.find(settings, parse_position(place, settings))
    if found is None:
        raise ConfigurationError(f"there is no dead letter at {place}", fix="`dlq list` shows those that there are")
    return found


async def replay(
    settings: SinkSettings, chosen: Sequence[DeadLetter], *, dry_run: bool = False
) -> tuple[int, list[DeadLetter]]:
    """Sends dead letters back; returns how many, and those that only their producer can take again.

    Raises:
        Unavailable: Kafka does not answer; run it again, those already marked stay marked.
    """
    left = [dead_letter for dead_letter in chosen if not target(dead_letter, settings)]
    ready = [dead_letter for dead_letter in chosen if target(dead_letter, settings)]
    if not ready or dry_run:
        return len(ready), left
    producer = kafka.producer(settings)
    await kafka.start(settings, producer)
    try:
        for start in range(0, len(ready), 500):
            await _send(settings, producer, ready[start : start + 500])
    finally:
        await producer.stop()
    return len(ready), left


async def _send(settings: SinkSettings, producer: AIOKafkaProducer, some: Sequence[DeadLetter]) -> None:
    sent = [
        await producer.send(
            target(dead_letter, settings),
            dead_letter.value,
            key=record_key(name_of(dead_letter.key)),
            partition=home(dead_letter, settings),
            headers=[(REPLAY_HEADER, dead_letter.place.encode())],
        )
        for dead_letter in some
    ]
    for future in sent:
        await future
    await mark(settings, producer, some)


async def mark(settings: SinkSettings, producer: AIOKafkaProducer, some: Sequence[DeadLetter]) -> None:
    """Marks these dead letters as replayed; returns when that is durable."""
    now = settings.pipeline_clock.now()
    marks = [
        await producer.send(
            dead_letter.topic,
            b"",
            key=record_key(name_of(dead_letter.key)),
            partition=dead_letter.partition,
            headers=replay_marker(dead_letter, now),
        )
        for dead_letter in some
    ]
    for future in marks:
        await future


def preview(value: bytes, limit: int = 2048) -> str:
    """Returns the bytes as our record decoded, or as text, or as a hexdump."""
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
    """Returns lines of an offset, sixteen bytes and their ASCII, for at most `limit` bytes."""
    lines = []
    for start in range(0, min(len(value), limit), 16):
        row = value[start : start + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{start:08x}  {row.hex(' '):<47}  {text}")
    if len(value) > limit:
        lines.append(f"... {len(value) - limit} bytes more")
    return "\n".join(lines) or "(empty)"
