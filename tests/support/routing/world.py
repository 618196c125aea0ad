"""What a simulated help desk consists of: tickets, people, the router's states, and what was found."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from schemas.clock import MICROS

START = 1_772_409_600 * MICROS  # 2026-03-02T00:00:00Z
MINUTE, HOUR, DAY = 60 * MICROS, 3600 * MICROS, 86_400 * MICROS
CHANNELS = {"chat": 0, "sms": 1, "social": 2, "email": 3}
PRIORITIES = {"urgent": 0, "high": 1, "normal": 2, "low": 3}
TARGETS = {"chat": 2 * MINUTE, "sms": HOUR, "social": HOUR, "email": 9 * HOUR}
LIMITS = {"chat": 3, "sms": 3, "social": 4, "default": 5}
WEIGHTS = {"chat": Fraction(1, 3), "sms": Fraction(1, 6), "social": Fraction(1, 6), "email": Fraction(1, 10)}
SILENT_SECONDS = 600
ORDER = ("channel", "priority", "due_at", "eligible_at")


@dataclass
class Ticket:
    """A ticket as its own partition knows it. `ref` names its last decision."""

    id: str
    team: str
    channel: str
    language: str
    priority: str
    skills: list[str]
    eligible_at: int
    due_at: int
    handle_micros: int
    agent: str = ""
    ref: str = ""
    fallback: str = ""
    waits: bool = False
    first_wait: int | None = None
    since: int = 0  # in the queue of this team


def place_of(ticket: Ticket, order: tuple[str, ...]) -> tuple[Any, ...]:
    """Returns what orders a waiting ticket by these criteria."""
    parts = {
        "channel": CHANNELS[ticket.channel],
        "priority": PRIORITIES[ticket.priority],
        "due_at": ticket.due_at,
        "eligible_at": ticket.eligible_at,
    }
    return tuple(parts[each] for each in order)


@dataclass
class Person:
    """An agent: what they can do, and until when they work on what they took."""

    name: str
    team: str
    languages: tuple[str, ...]
    skills: tuple[str, ...]
    source: str
    here: bool = False
    busy_until: int = 0
    hours: tuple[int, int] = (8, 17)
    status: str = "offline"  # as the router has it


@dataclass
class Found:
    """The results: first waits in seconds by channel, and how often what happened."""

    waits: dict[str, list[float]] = field(default_factory=lambda: {channel: [] for channel in CHANNELS})
    late: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


class States:
    """The states of the router, in the order of their keys (a `Reader`)."""

    def __init__(self) -> None:
        self._states: dict[bytes, Any] = {}
        self._keys: list[bytes] = []

    def get(self, key: bytes) -> Any:
        return self._states.get(key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, Any]]:
        for place in range(bisect_left(self._keys, prefix), len(self._keys)):
            if not self._keys[place].startswith(prefix):
                return
            yield self._keys[place], self._states[self._keys[place]]

    def put(self, key: bytes, state: Any) -> None:
        if state is None:
            if self._states.pop(key, None) is not None:
                del self._keys[bisect_left(self._keys, key)]
            return
        if key not in self._states:
            insort(self._keys, key)
        self._states[key] = state
