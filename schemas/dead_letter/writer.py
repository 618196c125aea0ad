"""Builds the Kafka records of dead letters, for every process that writes some."""

from __future__ import annotations

import traceback as tracebacks
from typing import NamedTuple

from schemas.dead_letter.headers import Headers, InputContext, headers

__all__ = ["DeadLetterRecord", "of_input", "of_record"]


class DeadLetterRecord(NamedTuple):
    """Holds the record to send to a dead-letter topic."""

    key: bytes | None
    value: bytes
    headers: Headers


def of_record(
    key: bytes | None,
    value: bytes | None,
    position: tuple[str, int, int],
    error: BaseException,
    *,
    reason: str,
    stage: str,
    at: int,
    producer: str = "",
) -> DeadLetterRecord:
    """Returns the dead letter of a record of a topic that a worker or a sink could not process.

    position  topic, partition and offset of the record
    at        pipeline microseconds
    producer  the process that alone can take the record again; without one, a replay sends it to its topic
    """
    topic, partition, offset = position
    written = headers(
        reason=reason,
        error=f"{type(error).__name__}: {error}",
        stage=stage,
        origin=f"{topic}/{partition}/{offset}",
        at=at,
        replay_topic="" if producer else topic,
        producer=producer,
        traceback="".join(tracebacks.format_exception(error)),
    )
    return DeadLetterRecord(key, value or b"", written)


def of_input(
    raw: bytes,
    *,
    reason: str,
    error: str,
    stage: str,
    origin: str,
    at: int,
    producer: str,
    traceback: str = "",
    given: InputContext | None = None,
    masked: bool = False,
    total_bytes: int | None = None,
    kept_at: str = "",
) -> DeadLetterRecord:
    """Returns the dead letter of an input that a producer could not make an event of.

    raw, error, traceback  card numbers are masked in all three
    masked       `raw` is no longer what was received
    total_bytes  of the whole input, when `raw` is its first part
    kept_at      where the source keeps the whole input
    """
    written = headers(
        reason=reason,
        error=error,
        stage=stage,
        origin=origin,
        at=at,
        producer=producer,
        traceback=traceback,
        given=given,
    )
    if masked:
        written.append(("masked", b"1"))
    if total_bytes is not None:
        written.append(("truncated", str(total_bytes).encode()))
    if kept_at:
        written.append(("kept-at", kept_at.encode("utf-8", "replace")[:2000]))
    return DeadLetterRecord(None, raw, written)
