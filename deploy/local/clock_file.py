"""Keeps the pipeline clock of a data directory, which never goes back, in the file `timeline.json`.

With `--speed 1` it is the wall clock, unless an accelerated run has been ahead of it: then it goes on from there at wall
speed.
"""

from __future__ import annotations

import json
from pathlib import Path

from schemas.clock import MICROS, Clock

DAY = 24 * 3600 * MICROS
OPENING = 8 * 3600 * MICROS  # a first accelerated run starts today at 08:00 UTC, when the shop opens
HEADROOM_SECONDS = 2.0  # written ahead: a killed run has left nothing later than the file's time


class ClockFile:
    """Reads and writes the time that the clock has reached, in micros. `path` need not exist."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def resume(self, speed: float, wall: int, start: int | None = None) -> Clock:
        """Returns the clock of this run. `start` is where a first accelerated run begins; default: today at opening time."""
        reached = self.reached()
        if speed == 1.0 and start is None and reached <= wall:
            return Clock()
        if reached == 0:
            reached = start if start is not None else wall - wall % DAY + OPENING
        return Clock(speed, reached, wall)

    def reached(self) -> int:
        """Returns the time that the clock reached in earlier runs; 0 when there was none."""
        try:
            return int(json.loads(self._path.read_text())["reached"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def keep(self, clock: Clock, wall: int, *, headroom: float = HEADROOM_SECONDS) -> None:
        """Writes the time that the clock will have `headroom` wall seconds from now; call it more often than that."""
        written = self._path.with_suffix(".tmp")
        written.write_text(json.dumps({"reached": clock.at(wall + int(headroom * MICROS)), "speed": clock.speed}))
        written.replace(self._path)
