"""Replays dead letters of producers through their channel, for `python -m producers replay`.

Twice over the dead letters, so that no more than a few of them are ever in memory:

    1. each is taken, which says what events it would become;
       Kafka's log is searched for these events, once: what is there already is not published again
    2. each is taken again, its attachments are stored, its new events published, and the dead letter marked as replayed

Killed in between, the next run finds in the log what was published and marks the dead letters. Only two replays of the same
dead letter at the same moment publish an event twice; the workers drop the second. What is refused again stays a dead letter.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from producers.publisher import Outcome, Publisher, Receipt, name_of_key
from producers.replay.handlers import replay_handlers
from producers.replay.replay_one import ReplayedInput, replay_one
from producers.storage.attachments import AttachmentStore
from schemas import codec
from schemas.dead_letter import headers, reader
from schemas.dead_letter.record import DeadLetter
from schemas.errors import CodecError, Refused
from schemas.events import REPLAYED_AT, Event, MessageReceived
from schemas.record_key import name_of
from schemas.settings import ProducerSettings
from schemas.topics import CONTACT_EVENTS, ROUTING

__all__ = ["Fate", "ReplayResult", "replay"]

#: Dead letters, and bytes of them, that are in memory at a time.
_AT_ONCE, _BYTES_AT_ONCE = 500, 32_000_000
#: An event of a dead letter may be older than the dead letter: a part of the same batch, or the same delivery before, which its
#: sender repeats for days.
LOOK_BACK_SECONDS = 7 * 86_400


class Fate(StrEnum):
    """Names what became of a dead letter."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REFUSED = "refused again"


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """Says what became of a dead letter, and how many of its events are new in Kafka (or would be)."""

    dead_letter: DeadLetter
    fate: Fate
    events: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Plan:
    """Holds what the first round found of a dead letter: its events by record key and id, or why there are none."""

    dead_letter: DeadLetter
    ids: Sequence[tuple[bytes, str]]
    refused: Refused | None

    @property
    def hopeless(self) -> bool:
        return self.refused is not None and not self.ids


def replay(
    dead_letters: Sequence[DeadLetter],
    publisher: Publisher,
    settings: ProducerSettings,
    report: Callable[[ReplayResult], None],
    *,
    named: bool = False,
    dry_run: bool = False,
    stop: threading.Event | None = None,
) -> None:
    """Replays these dead letters, in their order; `report` hears of each, when it is durable and marked.

    dead letters  without their bodies, oldest first
    named    a person chose these very dead letters
    stop     when it is set, the dead letters that are under way are finished and the others left

    Raises:
        Unavailable: Kafka or the attachment store does not answer; the same again goes on where this ended.
    """
    stop = stop or threading.Event()
    plans = _plans(dead_letters, settings, named, stop)
    known = asyncio.run(_known(settings, plans))
    for plan in plans:
        if dry_run or plan.hopeless:
            ids = {event_id for _, event_id in plan.ids}
            report(_result(plan.dead_letter, len(ids), len(ids - known), plan.refused))
            known |= ids
    if dry_run:
        return
    second = _Round(publisher, settings, known, named)
    for some in _chunks([plan.dead_letter for plan in plans if not plan.hopeless]):
        if stop.is_set():
            return
        for each in second.take(some):
            report(each)


def _plans(
    dead_letters: Sequence[DeadLetter], settings: ProducerSettings, named: bool, stop: threading.Event
) -> list[_Plan]:
    without_store = replay_handlers(settings, None)
    plans = []
    for some in _chunks(dead_letters):
        if stop.is_set():
            break
        for dead_letter in asyncio.run(reader.bodies(settings, some)):
            made = replay_one(dead_letter, without_store, named=named)
            ids = [(name_of_key(event), event.event_id) for event in made.events]
            plans.append(_Plan(dead_letter.light(), ids, made.refused))
    return plans


async def _known(settings: ProducerSettings, plans: Sequence[_Plan]) -> set[str]:
    """Returns the ids of the events that are in Kafka's log already."""
    wanted: dict[bytes, set[str]] = defaultdict(set)
    for plan in plans:
        for key, event_id in plan.ids:
            wanted[key].add(event_id)
    found: set[str] = set()
    if not wanted:
        return found
    since_ms = min(plan.dead_letter.timestamp_ms for plan in plans if plan.ids) - LOOK_BACK_SECONDS * 1000
    topics = [settings.topic(CONTACT_EVENTS), settings.topic(ROUTING)]
    async with reader.reader(settings) as consumer:
        places = await reader.spans(consumer, topics, since_ms=since_ms)
        async for record in reader.records(consumer, places):
            if (ids := wanted.get(name_of(record.key))) is not None and (event_id := _event_id(record.value)) in ids:
                found.add(event_id)
    return found


class _Round:
    """Does the second round: publishes new events, and marks their dead letters."""

    def __init__(self, publisher: Publisher, settings: ProducerSettings, known: set[str], named: bool) -> None:
        self._publisher, self._settings, self._known, self._named = publisher, settings, known, named
        self._handlers = replay_handlers(settings, AttachmentStore.of(settings))

    def take(self, some: Sequence[DeadLetter]) -> list[ReplayResult]:
        """Replays these dead letters; returns what became of each, when all of it is durable."""
        dead_letters = asyncio.run(reader.bodies(self._settings, some))
        done, taken = [], []
        for dead_letter, made, sent in [(dead_letter, *self._submit(dead_letter)) for dead_letter in dead_letters]:
            receipts = [self._publisher.wait(future) for future in sent]
            new = sum(receipt.outcome is Outcome.PUBLISHED for receipt in receipts)
            refused = made.refused or next(map(_replaced, filter(_is_dead_letter, receipts)), None)
            done.append(_result(dead_letter.light(), len(made.events), new, refused))
            if made.refused is None:
                taken.append(dead_letter)
        self._publisher.mark_replayed(taken)
        return done

    def _submit(self, dead_letter: DeadLetter) -> tuple[ReplayedInput, list[Future[Receipt]]]:
        made = replay_one(dead_letter, self._handlers, named=self._named)
        sent = []
        for event in map(self._stamped, made.events):
            if event.event_id not in self._known:
                self._known.add(event.event_id)
                sent.append(
                    self._publisher.submit(
                        event,
                        raw=dead_letter.value,
                        given=headers.input_context(dead_letter.headers),
                        producer=dead_letter.producer,
                        origin=dead_letter.headers.get("origin", ""),
                        replay_of=dead_letter.place,
                    )
                )
        return made, sent

    def _stamped(self, event: Event) -> Event:
        """Returns a message with the time of its replay: it lay unseen until now, so an answer is promised from now on."""
        if not isinstance(event, MessageReceived) or event.imported:
            return event
        now = str(self._settings.pipeline_clock.now())
        return msgspec.structs.replace(event, fields={**event.fields, REPLAYED_AT: now})


def _is_dead_letter(receipt: Receipt) -> bool:
    return receipt.outcome is Outcome.DEAD_LETTERED


def _replaced(receipt: Receipt) -> Refused:
    """Returns why there is a new dead letter: what the directory adds may make an event too large for Kafka."""
    return Refused(receipt.reason, "it is a new dead letter now")


def _result(dead_letter: DeadLetter, events: int, new: int, refused: Refused | None) -> ReplayResult:
    known = f"{events - new} known already" if events > new else ""
    if refused is not None:
        taken = f"; {new} of its events are taken" if new else ""
        return ReplayResult(dead_letter, Fate.REFUSED, new, f"{refused}{taken}")
    if events and not new:
        return ReplayResult(dead_letter, Fate.DUPLICATE, 0, "known already")
    said = f"{new} event{'' if new == 1 else 's'}" if events else "nothing in it is an event"
    return ReplayResult(dead_letter, Fate.ACCEPTED, new, ", ".join(filter(None, (said, known))))


def _chunks(dead_letters: Iterable[DeadLetter]) -> Iterator[list[DeadLetter]]:
    some: list[DeadLetter] = []
    size = 0
    for dead_letter in dead_letters:
        if some and (len(some) >= _AT_ONCE or size + dead_letter.size > _BYTES_AT_ONCE):
            yield some
            some, size = [], 0
        some.append(dead_letter)
        size += dead_letter.size
    if some:
        yield some


def _event_id(value: bytes | None) -> str:
    try:
        return str(getattr(codec.decode(value or b""), "event_id", ""))
    except CodecError:  # whoever processes this topic makes a dead letter of it
        return ""
