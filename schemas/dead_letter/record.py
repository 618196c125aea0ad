"""A dead letter as it is read from Kafka, and the choice of those that a command means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from schemas.errors import ConfigurationError
from schemas.settings import Settings
from schemas.topics import DEAD_LETTERS

#: Topic, partition and offset.
Position = tuple[str, int, int]

_AGE = re.compile(r"(\d{1,9})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Holds one dead letter.

    topic         the dead-letter topic's name in this deployment
    value         the raw bytes; empty where they were left out
    timestamp_ms  when it became one, wall milliseconds
    size          bytes of the value, left out or not
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: Mapping[str, str]
    timestamp_ms: int
    size: int = 0

    @property
    def position(self) -> Position:
        """Returns its topic, partition and offset."""
        return self.topic, self.partition, self.offset

    @property
    def place(self) -> str:
        """Returns the position as commands show and take it: `TOPIC:PARTITION:OFFSET`."""
        return f"{self.topic}:{self.partition}:{self.offset}"

    def light(self) -> DeadLetter:
        """Returns the same without its raw bytes and its traceback, which may be large."""
        story = {name: value for name, value in self.headers.items() if name != "traceback"}
        return replace(self, value=b"", headers=story)

    @property
    def reason(self) -> str:
        """Returns the bounded word that says why it failed."""
        return self.headers.get("reason", "")

    @property
    def producer(self) -> str:
        """Returns the only process that can take it again; '' when it goes back to a topic."""
        return self.headers.get("producer", "")

    @property
    def replay_topic(self) -> str:
        """Returns the topic that it goes back to; '' when only its producer can take it again."""
        return self.headers.get("replay-topic", "")


@dataclass(frozen=True, slots=True)
class Choice:
    """Says of a dead letter whether a command means it. An empty field excludes none.

    topic     the dead-letter topic, with or without the deployment's namespace
    source    the producer, or part of the origin: `social-meta`, `imap:support`
    error     part of the error or the traceback, upper or lower case
    since_ms, until_ms  when they became dead letters, wall milliseconds; `until_ms` is outside
    positions these and no others
    """

    topic: str = ""
    reason: str = ""
    source: str = ""
    stage: str = ""
    error: str = ""
    since_ms: int | None = None
    until_ms: int | None = None
    positions: frozenset[Position] = frozenset()
    namespace: str = ""

    def takes(self, dead_letter: DeadLetter) -> bool:
        """Returns True when this dead letter is meant."""
        story = dead_letter.headers
        return (
            (not self.positions or dead_letter.position in self.positions)
            and (not self.topic or dead_letter.topic in (self.topic, self.namespace + self.topic))
            and (not self.reason or dead_letter.reason == self.reason)
            and (not self.source or self.source == dead_letter.producer or self.source in story.get("origin", ""))
            and (not self.stage or story.get("stage", "") == self.stage)
            and (
                not self.error
                or self.error.lower() in f"{story.get('error', '')}\n{story.get('traceback', '')}".lower()
            )
            and (self.since_ms is None or dead_letter.timestamp_ms >= self.since_ms)
            and (self.until_ms is None or dead_letter.timestamp_ms < self.until_ms)
        )

    def among(self, dead_letters: Iterable[DeadLetter]) -> list[DeadLetter]:
        """Returns those that are meant, in their order."""
        return [dead_letter for dead_letter in dead_letters if self.takes(dead_letter)]


def parse_position(text: str, settings: Settings) -> Position:
    """Reads `TOPIC:PARTITION:OFFSET`; the topic with or without the deployment's namespace.

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


def require_topic(topic: str, settings: Settings) -> None:
    """Accepts the name of a dead-letter topic, or '' for any.

    Raises:
        ConfigurationError: it is neither.
    """
    names = {name for known in DEAD_LETTERS for name in (known.name, settings.topic(known))}
    if topic and topic not in names:
        raise ConfigurationError(
            f"{topic!r} is no dead-letter topic", where="--topic", fix=", ".join(known.name for known in DEAD_LETTERS)
        )


def parse_time(text: str, *, now_ms: int, where: str) -> int | None:
    """Returns wall milliseconds of an ISO 8601 time with its offset, or of an age such as `2h`; None for ''.

    Raises:
        ConfigurationError: it is neither.
    """
    if not text:
        return None
    if found := _AGE.fullmatch(text.strip()):
        return now_ms - int(found[1]) * _UNITS[found[2]] * 1000
    try:
        at = datetime.fromisoformat(text.strip())
        if at.tzinfo is not None:
            return int(at.timestamp() * 1000)
    except (ValueError, OverflowError):
        pass
    raise ConfigurationError(
        f"{text!r} is no time", where=where, fix="an age such as 90m, 2h or 3d, or 2026-03-02T10:00:00Z"
    )


def age(milliseconds: int) -> str:
    """Returns a duration as one number and its unit: `45s`, `12m`, `3h`, `8d`."""
    seconds = max(0, milliseconds // 1000)
    for unit in "dhm":
        if seconds >= _UNITS[unit]:
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{seconds}s"


def oldest_first(dead_letters: Iterable[DeadLetter]) -> list[DeadLetter]:
    """Returns them by the moment in which they became dead letters, then by position."""
    return sorted(dead_letters, key=lambda each: (each.timestamp_ms, each.position))
