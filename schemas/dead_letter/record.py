"""A dead letter as it is found again: where it lies, whether it is chosen, how it is marked as replayed.

Kafka's log cannot be changed in place, so who replays a letter appends a *mark* to its partition: an empty record with
the header `replayed` (the letter's offset). It lives exactly as long as the letters do and needs no other store. Marked
letters are hidden and not replayed again, whichever command replayed them: `python -m sinks dlq replay` (records of a
topic) or `python -m producers replay` (raw inputs of a producer).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from schemas.dead_letter import headers as dead_letter_headers
from schemas.errors import ConfigurationError
from schemas.settings import Settings
from schemas.topics import DEAD_LETTERS

MARK = "replayed"
#: What a replayed record carries: the place of its letter.
REPLAY_HEADER = "replay-of"
_AGE = re.compile(r"(\d{1,9})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter.

    topic         the dead-letter topic's name in this deployment
    value         the raw bytes; empty where they were left out
    timestamp_ms  when it became one, wall time
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
    def spot(self) -> tuple[str, int, int]:
        return self.topic, self.partition, self.offset

    @property
    def place(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"

    def light(self) -> Letter:
        """The same without its raw bytes and its traceback, which may be large."""
        story = {name: value for name, value in self.headers.items() if name != "traceback"}
        return replace(self, value=b"", headers=story)

    @property
    def reason(self) -> str:
        return self.headers.get("reason", "")

    @property
    def producer(self) -> str:
        return self.headers.get("producer", "")

    @property
    def replay_topic(self) -> str:
        return self.headers.get("replay-topic", "")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters are wanted; what is empty leaves all of them.

    topic     the dead-letter topic, with or without the deployment's namespace
    source    the producer, or part of the origin: `social-meta`, `imap:support`
    error     part of the error or the traceback, in any case of letters
    since_ms, until_ms  when they became dead letters, wall time; `until_ms` is outside
    spots     these and no others
    """

    topic: str = ""
    reason: str = ""
    source: str = ""
    stage: str = ""
    error: str = ""
    since_ms: int | None = None
    until_ms: int | None = None
    spots: frozenset[tuple[str, int, int]] = frozenset()
    namespace: str = ""

    def takes(self, letter: Letter) -> bool:
        """Whether this letter is wanted."""
        story = letter.headers
        return (
            (not self.spots or letter.spot in self.spots)
            and (not self.topic or letter.topic in (self.topic, self.namespace + self.topic))
            and (not self.reason or letter.reason == self.reason)
            and (not self.source or self.source == letter.producer or self.source in story.get("origin", ""))
            and (not self.stage or story.get("stage", "") == self.stage)
            and (
                not self.error
                or self.error.lower() in f"{story.get('error', '')}\n{story.get('traceback', '')}".lower()
            )
            and (self.since_ms is None or letter.timestamp_ms >= self.since_ms)
            and (self.until_ms is None or letter.timestamp_ms < self.until_ms)
        )

    def among(self, letters: Iterable[Letter]) -> list[Letter]:
        return [letter for letter in letters if self.takes(letter)]


def mark_of(letter: Letter, at: int) -> dead_letter_headers.Headers:
    """The headers of the mark that says: this letter was replayed, at this pipeline time."""
    return [(MARK, str(letter.offset).encode()), ("reason", MARK.encode()), ("at", str(at).encode())]


def parse_spot(text: str, settings: Settings) -> tuple[str, int, int]:
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


def require_topic(topic: str, settings: Settings) -> None:
    """Raises `ConfigurationError` when this is no dead-letter topic; '' is any."""
    names = {name for known in DEAD_LETTERS for name in (known.name, settings.topic(known))}
    if topic and topic not in names:
        raise ConfigurationError(
            f"{topic!r} is no dead-letter topic", where="--topic", fix=", ".join(known.name for known in DEAD_LETTERS)
        )


def parse_time(text: str, *, now_ms: int, where: str) -> int | None:
    """Wall milliseconds of an ISO 8601 time with its offset, or of an age such as `2h`; None for ''.

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
    """`45s`, `12m`, `3h`, `8d`."""
    seconds = max(0, milliseconds // 1000)
    for unit in "dhm":
        if seconds >= _UNITS[unit]:
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{seconds}s"


def oldest_first(letters: Iterable[Letter]) -> list[Letter]:
    return sorted(letters, key=lambda letter: (letter.timestamp_ms, letter.topic, letter.partition, letter.offset))
