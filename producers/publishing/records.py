"""Kafka records of producers: of an event, and of the dead letter of an input."""

from __future__ import annotations

from producers.text import privacy
from schemas import codec
from schemas.dead_letter import writer
from schemas.dead_letter.headers import InputContext
from schemas.dead_letter.writer import DeadLetterRecord
from schemas.errors import BrokenBody, Refused
from schemas.events import Event, PresenceChanged, RosterChanged
from schemas.record_key import record_key

__all__ = ["MAX_RECORD_BYTES", "dead_letter_of", "encoded", "key_of", "name_of_key"]

#: The largest value that fits beside key and headers into the 4 MB that our topics accept.
MAX_RECORD_BYTES = 3_900_000


def encoded(event: Event) -> bytes:
    """Returns the value of an event's record.

    Raises:
        Refused: `unencodable`, or `too_large` for Kafka.
    """
    try:
        value = codec.encode(event)
    except BrokenBody as error:
        raise Refused("unencodable", str(error)) from error
    if len(value) > MAX_RECORD_BYTES:
        raise Refused("too_large", f"the event has {len(value)} bytes, Kafka takes {MAX_RECORD_BYTES}")
    return value


def key_of(event: Event) -> bytes:
    """Returns a record key for one sending of the event."""
    return record_key(name_of_key(event))


def name_of_key(event: Event) -> bytes:
    """Returns the name in the record key: the team in `routing`, the customer tag everywhere else."""
    return (event.team if isinstance(event, PresenceChanged | RosterChanged) else event.customer_tag).encode()


def dead_letter_of(
    raw: bytes,
    refused: Refused,
    *,
    at: int,
    given: InputContext | None,
    producer: str,
    origin: str,
    stage: str,
    kept_at: str,
    traceback: str,
    total_bytes: int | None,
) -> DeadLetterRecord:
    """Returns the dead letter of an input: its first `MAX_RECORD_BYTES` bytes, and why it was refused.

    Card numbers are masked in the bytes, in the error and in the traceback. Of bytes with so many digits that the search
    would take too long, only what was searched is kept. `total_bytes` is the length of the whole
    input when the caller cut `raw`.
    """
    total = len(raw) if total_bytes is None else total_bytes
    kept = raw[: MAX_RECORD_BYTES + privacy.MARGIN]
    searched = privacy.maskable(kept)
    most = MAX_RECORD_BYTES if searched == len(kept) else max(0, searched - privacy.MARGIN)
    masked = privacy.mask_bytes(kept[:searched], keep_ids=given is not None and "content-type" in given.headers)
    value = masked[:most]
    return writer.of_input(
        value,
        reason=refused.reason,
        error=privacy.mask(str(refused)),
        stage=stage,
        origin=origin,
        at=at,
        producer=producer,
        traceback=privacy.mask(traceback),
        given=given,
        masked=value != kept[:most],
        total_bytes=total if total > min(len(raw), most) else None,
        kept_at=kept_at,
    )
