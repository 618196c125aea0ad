"""The states of the spikes aggregate: one per tag, and one of the desk."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from stream_processors.runtime.processor import State
from stream_processors.spikes.detector import Sum
from stream_processors.spikes.rhythm import Day, Rhythm

__all__ = ["DESK_KEY", "Desk", "Spike", "TagState", "place_of", "tag_key"]

DESK_KEY = b"y"


def tag_key(tag: str, brand: str = "") -> bytes:
    """Returns the key under which the counts of a tag are stored; with a brand those of its contacts alone."""
    return b"x" + f"{brand}\0{tag}".encode()


def place_of(key: bytes) -> tuple[str, str]:
    """Returns the tag and the brand of a key."""
    brand, _, tag = key[1:].decode().partition("\0")
    return tag, brand


class Spike(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds a spike that is on: since when, when it was noticed, when its last fact was written (micros), and what the tag is.

    count, expected  contacts since then, and what was expected of that time, as of the last one
    """

    since: int
    detected_at: int
    written_at: int = 0
    count: int = 0
    expected: float = 0.0
    quadrant: str = ""
    valence: str = ""
    team: str = ""


class TagState(State, frozen=True, kw_only=True, array_like=True):
    """Key: `x` + brand + zero + tag. About 1.9 KB.

    rhythm       the counts of past hours
    hour, until  the hour that is counted now (local, since 1970), and when it ends (micros)
    count        contacts in it
    at           the time (micros) up to which this stands; `contact_at` that of the last contact
    day          what is expected of the present day; `per_hour` of the present hour
    sum          the detector
    tickets      the last tickets since `sum.since`
    imported_at  when (micros) the last contact of imported history came
    """

    VERSION: ClassVar[int] = 1

    rhythm: Rhythm
    hour: int
    until: int
    count: int = 0
    at: int = 0
    contact_at: int = 0
    day: Day = Day()
    per_hour: float = 0.0
    sum: Sum = Sum()
    tickets: tuple[str, ...] = ()
    spike: Spike | None = None
    imported_at: int = 0


class Desk(State, frozen=True, kw_only=True, array_like=True):
    """Key: `y`. What is known of all tags together.

    live_since  when (micros) the first contact came that is no history
    taxonomies  version → when (micros) it first tagged such a contact, the last `KEPT` of them
    seen        partition of `contact-events` → the last offset in it that was counted
    """

    VERSION: ClassVar[int] = 1
    KEPT: ClassVar[int] = 50

    live_since: int = 0
    taxonomies: dict[str, int] = msgspec.field(default_factory=dict)
    seen: dict[int, int] = msgspec.field(default_factory=dict)
