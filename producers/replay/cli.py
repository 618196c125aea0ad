"""Runs `python -m producers replay`: selects dead letters, replays them, prints what became of each."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from producers.publisher import Publisher
from producers.replay.engine import Fate, ReplayResult, replay
from schemas.clock import from_micros
from schemas.dead_letter import headers, reader
from schemas.dead_letter.record import Choice, DeadLetter
from schemas.errors import ConfigurationError
from schemas.process import EXIT_USAGE
from schemas.settings import ProducerSettings
from schemas.terminal import out, plain, say
from schemas.topics import CONTACT_EVENTS, DEAD_LETTERS

__all__ = ["Command"]

#: The topic that all dead letters of producers are in.
TOPIC = next(topic for topic in DEAD_LETTERS if topic.name == CONTACT_EVENTS.dlq)
Process = Callable[[], AbstractContextManager[tuple[Publisher, Any, threading.Event]]]


@dataclass(frozen=True)
class Command:
    """Replays the dead letters of `choice` that a producer wrote."""

    settings: ProducerSettings
    choice: Choice
    dry_run: bool

    def run(self, process: Process) -> int:
        """Replays them and prints a line for each; returns the exit code.

        Raises:
            ConfigurationError: a dead letter that was named is not there.
            Unavailable: Kafka or the attachment store does not answer; the same command goes on where it ended.
        """
        named = bool(self.choice.positions)
        wanted = (
            self.choice.takes
            if named
            else lambda dead_letter: _is_input(dead_letter) and self.choice.takes(dead_letter)
        )
        self._require_topic()
        dead_letters = asyncio.run(reader.dead_letters(self.settings, topics=[TOPIC], wanted=wanted, bodies=False))
        self._tell_replayed(dead_letters)
        done: list[ReplayResult] = []
        with process() as (publisher, health, stop):
            health.ready = True
            try:
                replay(
                    dead_letters, publisher, self.settings, done.append, named=named, dry_run=self.dry_run, stop=stop
                )
            finally:
                self._show(done, len(dead_letters))
        return EXIT_USAGE if any(each.fate is Fate.REFUSED for each in done) else 0

    def _require_topic(self) -> None:
        if self.choice.topic not in ("", TOPIC.name, self.settings.topic(TOPIC)):
            raise ConfigurationError(
                f"the dead letters of producers lie in {TOPIC.name}", where="--topic", fix="python -m sinks dlq replay"
            )
        for topic, partition, offset in sorted(self.choice.positions):
            if topic != self.settings.topic(TOPIC):
                place = f"{topic}:{partition}:{offset}"
                raise ConfigurationError(
                    f"the dead letters of producers lie in {TOPIC.name}",
                    where=place,
                    fix=f"python -m sinks dlq replay {place}",
                )

    def _tell_replayed(self, dead_letters: list[DeadLetter]) -> None:
        """Prints which of the named dead letters were replayed before.

        Raises:
            ConfigurationError: one of them never existed.
        """
        for position in sorted(self.choice.positions - {dead_letter.position for dead_letter in dead_letters}):
            place = ":".join(map(str, position))
            if asyncio.run(reader.find(self.settings, position)) is None:
                raise ConfigurationError(
                    f"there is no dead letter at {place}", fix="`python -m sinks dlq list` shows those that there are"
                )
            say(f"{place}: this dead letter was replayed before")

    def _show(self, done: list[ReplayResult], chosen: int) -> None:
        grid = Table(show_edge=False, header_style="bold", pad_edge=False)
        for name, fold in (("dead letter", False), ("producer", False), ("received", False), ("was", False)):
            grid.add_column(name, no_wrap=not fold)
        grid.add_column("would be" if self.dry_run else "is now", overflow="fold")
        for each in sorted(done, key=lambda told: told.dead_letter.timestamp_ms):
            dead_letter = each.dead_letter
            told = f"{each.fate}: {each.detail}"
            texts = (dead_letter.place, dead_letter.producer, _received(dead_letter), dead_letter.reason, told)
            grid.add_row(*(Text(plain(text)) for text in texts))
        if done:
            out().print(grid)
        say(self._sum(done, chosen))

    def _sum(self, done: list[ReplayResult], chosen: int) -> str:
        events = sum(each.events for each in done)
        parts = [f"{sum(each.fate is fate for each in done)} {fate}" for fate in Fate]
        parts[0] += f" ({events} event{'' if events == 1 else 's'})"
        said = f"{len(done)} dead letter{'' if len(done) == 1 else 's'}: {', '.join(parts)}"
        if self.dry_run:
            said = f"dry run, nothing was changed; {said}"
        left = chosen - len(done)
        return f"{said}; {left} left, the same command goes on" if left else said


def _is_input(dead_letter: DeadLetter) -> bool:
    """Returns True when a producer wrote it; `python -m sinks dlq replay` sends back those of workers and sinks."""
    return bool(dead_letter.producer) and not dead_letter.replay_topic


def _received(dead_letter: DeadLetter) -> str:
    given = headers.input_context(dead_letter.headers)
    return from_micros(given.received_at).strftime("%Y-%m-%d %H:%M:%SZ") if given is not None else ""
