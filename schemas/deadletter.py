"""How a dead letter looks, on every dead-letter topic: the raw bytes as value, the story in the headers.

Headers (all UTF-8 text): `reason` (a short bounded word), `error` (one line), `stage` (which step failed),
`origin` (`topic/partition/offset` or the source's own name), `replay-topic` (where `dlq replay` sends it; empty when
the raw bytes must be normalised again by the producer named in `producer`), `at` (pipeline micros), `traceback`.
"""

from __future__ import annotations

from collections.abc import Sequence

Headers = list[tuple[str, bytes]]


def headers(
    *,
    reason: str,
    error: str,
    stage: str,
    origin: str,
    at: int,
    replay_topic: str = "",
    producer: str = "",
    traceback: str = "",
) -> Headers:
    """The headers of a dead letter, in the order in which people read them."""
    fields = {
        "reason": reason,
        "error": error.splitlines()[0][:500] if error else "",
        "stage": stage,
        "origin": origin,
        "replay-topic": replay_topic,
        "producer": producer,
        "at": str(at),
        "traceback": traceback[-8000:],
    }
    return [(name, value.encode("utf-8", "replace")) for name, value in fields.items()]


def read(headers: Sequence[tuple[str, bytes | None]]) -> dict[str, str]:
    """The headers as text; unknown ones are kept, and one without a value (Kafka allows it) is empty."""
    return {name: (value or b"").decode("utf-8", "replace") for name, value in headers}
