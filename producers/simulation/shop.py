"""Holds what to simulate: how many contacts, from when, for how long, and with which seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from producers.simulation.day import DAY
from schemas.clock import to_micros
from schemas.errors import ConfigurationError

__all__ = ["Shop"]

#: Contacts in a day when nobody says how many.
CONTACTS = 1200


@dataclass(frozen=True, slots=True)
class Shop:
    """Holds what to play.

    contacts  a day, machines included
    start     micros UTC of the first moment
    days      how many; None: the shop never closes, and days begin at midnight UTC
    agents    whether anybody answers
    absent    while this file exists nobody does anything, though all are at their desks; afterwards they catch up
    """

    contacts: int
    seed: int
    start: int
    days: float | None = 1.0
    agents: bool = True
    absent: Path | None = None

    @classmethod
    def of(
        cls,
        *,
        contacts: int | None,
        contacts_per_day: int | None,
        seed: int,
        agents: bool,
        hours: float | None,
        start: str | None,
        now: int,
        absent: Path | None = None,
    ) -> Shop:
        """Returns the shop that the command line asks for: one day, or one that never closes. `now` is the pipeline clock.

        Raises:
            ConfigurationError: `start` is not an ISO 8601 moment with an offset.
        """
        days = hours / 24 if hours is not None else None if contacts_per_day else 1.0
        return cls(
            contacts=contacts_per_day or contacts or CONTACTS,
            seed=seed,
            start=now if start is None else _moment(start),
            days=days,
            agents=agents,
            absent=absent,
        )

    @property
    def end(self) -> int | None:
        """Returns the last moment, micros UTC; None for a shop that never closes."""
        return None if self.days is None else self.start + round(self.days * DAY)

    def chapters(self) -> Iterator[tuple[int, int]]:
        """Yields `(seed, start)` of one day after the other. Days of a shop that never closes are those of the calendar."""
        if self.days is not None:
            for number in range(-int(-self.days // 1)):
                yield self.seed + 1_000_003 * number, self.start + number * DAY
            return
        first = self.start // DAY
        while True:
            yield self.seed + 1_000_003 * first, first * DAY
            first += 1


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ConfigurationError(
            f"{text!r} is not a moment with an offset", where="--start", fix="write 2026-03-02T08:00:00Z"
        )
    return to_micros(moment)
