"""Replays one dead letter through its channel: makes its events, or says why it is refused once more.

A replay is trusted because of where the dead letter lies. A dead letter of an endpoint is written only after its sender has
proved who it is, only our producers may write to its topic, and the proof (a signature, a token) is not kept. So nothing
is proved again here; whoever may run the command may bring in what these dead letters hold.

Two kinds are taken only when a person names the dead letter: a `stale_delivery` has a genuine signature, and may have been
recorded by somebody; who was there then (`PresenceChanged`, `RosterChanged`) would be taken for who is there now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import structlog

from producers.channels.generic_fields import IDS, NUMBERED
from producers.endpoint import PartialBatch
from producers.intake import Take, defect
from producers.publisher import encoded
from producers.replay.handlers import ELSEWHERE
from schemas.dead_letter import headers
from schemas.dead_letter.record import DeadLetter
from schemas.errors import Refused, Unavailable
from schemas.events import Event, PresenceChanged, RosterChanged

__all__ = ["ReplayedInput", "replay_one"]

#: What is left of a number of thirteen digits or more, whose last four are shown.
_STARS = "*" * 9

log = structlog.get_logger("producers.replay")


@dataclass(frozen=True, slots=True)
class ReplayedInput:
    """Holds what a dead letter becomes: events, or a refusal, or both when a part of a batch is still none."""

    events: Sequence[Event] = field(default_factory=tuple)
    refused: Refused | None = None


def replay_one(dead_letter: DeadLetter, replay_handlers: Mapping[str, Take], *, named: bool) -> ReplayedInput:
    """Makes events of the dead letter's input. `named`: a person has chosen this very dead letter.

    Raises:
        Unavailable: a store beside Kafka does not answer.
    """
    events: Sequence[Event] = ()
    refused: Refused | None = None
    try:
        events = _taken(dead_letter, replay_handlers, named)
    except PartialBatch as partial:
        events, refused = partial.events, partial
    except Refused as error:
        return ReplayedInput(refused=_masked_perhaps(dead_letter, error))
    try:
        for event in events:
            if isinstance(event, PresenceChanged | RosterChanged) and not named:
                raise Refused(
                    "outdated", "who was there then would be taken for who is there now; replay it by its name"
                )
            encoded(event)
            _require_whole(dead_letter, event)
    except Refused as error:
        return ReplayedInput(refused=error)
    return ReplayedInput(tuple(events), refused)


def _taken(dead_letter: DeadLetter, replay_handlers: Mapping[str, Take], named: bool) -> Sequence[Event]:
    story = dead_letter.headers
    if dead_letter.replay_topic or not dead_letter.producer:
        raise Refused("no_input", f"it is a record of a topic: python -m sinks dlq replay {dead_letter.place}")
    take = replay_handlers.get(dead_letter.producer)
    if take is None:
        why = ELSEWHERE.get(dead_letter.producer, "no channel of this build has that name")
        raise Refused("no_way_back", f"{dead_letter.producer}: {why}")
    export = f"python -m sinks dlq raw {dead_letter.place} > FILE"
    if "truncated" in story:
        kept = f"; the whole is at {story['kept-at']}" if story.get("kept-at") else ""
        raise Refused("truncated", f"it holds the first {dead_letter.size} of {story['truncated']} bytes{kept}")
    given = headers.input_context(story)
    if given is None:
        raise Refused(
            "old_letter", f"an earlier version wrote it and kept the raw bytes only: {export}, and bring in that file"
        )
    if dead_letter.reason == "stale_delivery" and not named:
        raise Refused("stale_delivery", "somebody may have recorded it: look at it, then replay it by its name")
    try:
        return take(dead_letter.value, given)
    except (Refused, Unavailable):
        raise
    except Exception as error:  # the defect is still there; the next dead letter may be another case
        log.debug("normaliser_failed", producer=dead_letter.producer, dead_letter=dead_letter.place, exc_info=True)
        raise defect(error) from error


def _masked_perhaps(dead_letter: DeadLetter, refused: Refused) -> Refused:
    """Returns the refusal, with a hint when stars in place of digits may be all that is wrong."""
    if "masked" not in dead_letter.headers:
        return refused
    return Refused(refused.reason, f"{refused.detail} (what looked like card numbers is masked in this dead letter)")


def _require_whole(dead_letter: DeadLetter, event: Event) -> None:
    """Accepts an event without masked ids. Some ids look like card numbers: with stars they are somebody else's.

    Raises:
        Refused: `masked`.
    """
    if "masked" not in dead_letter.headers:
        return
    ids = IDS | {"order_number"} if type(event) in NUMBERED else IDS
    for name, value in msgspec.structs.asdict(event).items():
        if name in ids and _STARS in str(value):
            raise Refused("masked", f"its {name} looked like a card number and is masked: {value}")
