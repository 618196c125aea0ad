"""Markers of replayed dead letters, and the header of the records that a replay sends.

Kafka's log cannot be changed in place. So a replay appends a marker to the partition of the dead letter: an empty record
with the header `replayed`, which holds the offset. A marker lives exactly as long as the dead letters do and needs no other
store. Marked dead letters are hidden and not replayed again, whichever command replayed them: `python -m sinks dlq replay`
(records of a topic), `python -m sinks webhooks replay` or `python -m producers replay` (raw inputs of a producer).
"""

from __future__ import annotations

from collections.abc import Mapping

from schemas.dead_letter.headers import Headers
from schemas.dead_letter.record import DeadLetter, Position

_REPLAYED = "replayed"
#: The header of a record that a replay sent: the place of its dead letter.
REPLAY_HEADER = "replay-of"


def replay_marker(dead_letter: DeadLetter, at: int) -> Headers:
    """Returns the headers of the marker; `at` is pipeline microseconds. It has the dead letter's key and no value."""
    return [(_REPLAYED, str(dead_letter.offset).encode()), ("reason", _REPLAYED.encode()), ("at", str(at).encode())]


def replayed_position(topic: str, partition: int, headers: Mapping[str, str]) -> Position | None:
    """Returns which dead letter a record of this partition marks as replayed; None when the record is no marker."""
    return (topic, partition, int(headers[_REPLAYED])) if _REPLAYED in headers else None
