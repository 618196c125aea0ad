"""The pipeline's clock: microseconds since 1970 UTC, at wall speed or faster.

Every process of one deployment shares one clock. In production it is the wall clock. The demo runs it faster
(`origin=<micros>,wall=<micros>,speed=60`), so that a day passes in minutes and every deadline,
acknowledgement and agent sees the same time.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from schemas.errors import ConfigurationError

MICROS = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """Tells pipeline time: `now = origin + (wall - wall_origin) * speed`, in microseconds since 1970 UTC."""

    speed: float = 1.0
    origin: int = 0
    wall_origin: int = 0

    def now(self) -> int:
        """Returns pipeline time in microseconds."""
        return self.at(time.time_ns() // 1000)

    def at(self, wall: int) -> int:
        """Returns pipeline time at the given wall time, both in microseconds."""
        if self.speed == 1.0 and self.origin == self.wall_origin:
            return wall
        return self.origin + int((wall - self.wall_origin) * self.speed)

    def wall_seconds_until(self, moment: int) -> float:
        """Returns wall seconds from now until pipeline time `moment`; negative when it has passed."""
        return (moment - self.now()) / MICROS / self.speed

    def spec(self) -> str:
        """Returns the text that `parse` reads back; empty for the wall clock."""
        if self.speed == 1.0 and self.origin == self.wall_origin:
            return ""
        return f"origin={self.origin},wall={self.wall_origin},speed={self.speed!r}"

    @classmethod
    def parse(cls, spec: str) -> Clock:
        """Reads `origin=<micros>,wall=<micros>,speed=<float>`; the empty text is the wall clock."""
        if not spec:
            return cls()
        try:
            parts = dict(part.split("=", 1) for part in spec.split(","))
            clock = cls(float(parts["speed"]), int(parts["origin"]), int(parts["wall"]))
        except (ValueError, KeyError) as error:
            raise ConfigurationError(
                f"{spec!r} is not a clock", where="DESKSTREAM_CLOCK", fix="leave it empty for the wall clock"
            ) from error
        if not (math.isfinite(clock.speed) and clock.speed > 0):
            raise ConfigurationError("the speed must be a number above 0", where="DESKSTREAM_CLOCK")
        return clock


def to_micros(moment: datetime) -> int:
    """Returns microseconds since 1970 UTC of an aware datetime, exactly: no float on the way.

    Raises:
        TypeError: the datetime is naive.
    """
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_micros(micros: int) -> datetime:
    """Returns the aware UTC datetime of microseconds since 1970 UTC.

    Raises:
        OverflowError: it is outside the years 1 to 9999.
    """
    return _EPOCH + timedelta(microseconds=micros)
