"""Turns one line of a JSON-lines history file into an event.

The same objects as the generic endpoint takes (`producers.channels.generic`), each with its own `occurred_at`:

    {"type": "message_received", "occurred_at": "2025-11-03T09:12:00Z", "channel": "email", "id": "old-1", ...}
"""

from __future__ import annotations

from producers.channels import generic
from schemas.dead_letter.headers import InputContext
from schemas.events import Event

__all__ = ["CHANNEL", "event", "normalise"]

CHANNEL = "history"


def normalise(raw: bytes, *, now: int, source: str = "", live: bool = False) -> Event:
    """Returns the event of a line; imported history unless `live`. `now` is the pipeline's time in microseconds.

    Raises:
        FieldProblems: `bad_fields`, with every problem by field.
        Refused: `bad_json`, `unknown_type`.
    """
    body = generic.parse(raw.strip().removeprefix(b"\xef\xbb\xbf"))
    return generic.build(body, now=now, source=source, imported=not live, strict_time=True)


def event(raw: bytes, context: InputContext) -> Event:
    """Returns the event of a line as it was given; raises as `normalise`."""
    return normalise(raw, now=context.received_at, source=context.source, live=not context.imported)
