"""Folds the log of one partition again under other rules, as if they had always been in force.

It is the fold of the worker, with three differences. All events meet the same rules, whenever we received them. Ticks
of the log are left out, for they came when the old deadlines were due; here every deadline gets its own tick, as soon as
the log has passed it. Only facts come out: messages and assignments of then stand in the log already.

A ticket that changed hands stands in the log with its clocks of then. Here it goes over as this run has made it: see
`HandedOver`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from schemas.errors import Refused
from schemas.events import (
    Assigned,
    CustomersMerged,
    CustomersSplit,
    Event,
    OfferAnswered,
    Offered,
    Overflowed,
    Tick,
    TicketAdopted,
)
from schemas.facts import DeliveryFact, Fact, Outbound
from schemas.identity import event_id
from stream_processors.recompute.reorder_buffer import ReorderBuffer
from stream_processors.runtime.processor import Outcome, Position, Processor, State, StepFailed
from stream_processors.runtime.timers import Timers

__all__ = ["HandedOver", "Recomputation"]

_TICKS_AT_ONCE = 1000
_OF_ROUTER = (Assigned, OfferAnswered, Offered, Overflowed)
#: Facts of messages: a recomputation sends nothing.
_SENT = (Outbound, DeliveryFact)
#: Versions of a ticket that has changed hands n times begin at n times this: above all that it had before, in any partition.
_VERSION_OFFSET = 1 << 40


class HandedOver:
    """Holds what one partition writes to another when customers are merged or split: tickets, and what is known of a customer.

    The run keeps its own, and puts them in the place of those in the log. When the receiver's partition is folded before
    the giver's, nothing is known yet: fold the customers with events of these `KINDS` until `known` does not change.
    """

    KINDS = (CustomersMerged, CustomersSplit, TicketAdopted)

    def __init__(self) -> None:
        self.known: dict[str, bytes] = {}

    def keep(self, event: object) -> None:
        """Keeps an output of this run that hands something over; ignores all others."""
        if isinstance(event, TicketAdopted):
            self.known[event.event_id] = event.ticket
        elif isinstance(event, CustomersMerged):
            self.known[event.event_id] = event.known

    def as_here(self, event: Event) -> Event:
        """Returns the event of the log with the ticket or customer as this run has made it."""
        if isinstance(event, TicketAdopted):
            ticket = self.known.get(event.event_id, event.ticket)
            return msgspec.structs.replace(event, ticket=ticket, version=event.moves * _VERSION_OFFSET)
        if isinstance(event, CustomersMerged) and event.event_id in self.known:
            return msgspec.structs.replace(event, known=self.known[event.event_id])
        return event


class Recomputation:
    """Folds one partition. `refused` counts by reason the events that the fold refused; a worker dead-letters them.

    Positions are those of this run, not of the log, because there are other ticks between its records. With a
    `reorder_buffer` late events are folded in the order in which they happened, and deadlines pass in that order.
    """

    def __init__(
        self,
        processor: Processor,
        partition: int,
        reorder_buffer: ReorderBuffer | None = None,
        handed_over: HandedOver | None = None,
    ) -> None:
        self._processor, self._partition, self._offset = processor, partition, -1
        self._reorder_buffer = reorder_buffer
        self._handed_over = handed_over or HandedOver()
        self._states: dict[bytes, State] = {}
        self._timers = Timers()
        self._now = 0
        self.folded = 0
        self.refused: Counter[str] = Counter()

    def take(self, event: Event) -> Iterator[Fact]:
        """Yields the facts of what was due until we received the next event of the log, then those of the event."""
        if isinstance(event, Tick):
            return
        event = _without_place(self._handed_over.as_here(event))
        if self._reorder_buffer is not None:
            for ordered in self._reorder_buffer.take(event):
                yield from self._in_place(ordered)
            return
        yield from self._due(event.received_at)
        yield from self._fold(event)

    def end(self, now: int) -> Iterator[Fact]:
        """Yields the facts of events still held back at the end of the log, and of all that is due by `now` (micros)."""
        if self._reorder_buffer is not None:
            for ordered in self._reorder_buffer.rest():
                yield from self._in_place(ordered)
        yield from self._due(now)

    def _in_place(self, event: Event) -> Iterator[Fact]:
        yield from self._due(min(event.occurred_at, event.received_at))
        yield from self._fold(event)

    def _due(self, now: int) -> Iterator[Fact]:
        """Yields the facts of everything that is due by `now`; time never goes back."""
        self._now = now = max(self._now, now)
        while due := self._timers.due(now, _TICKS_AT_ONCE):
            for deadline, key in due:
                yield from self._fold(_tick(key, deadline))

    def get(self, key: bytes) -> Any | None:
        """Returns a state of this run (as a `Reader`)."""
        return self._states.get(key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, Any]]:
        """Yields the states of this run whose key starts with `prefix`, in key order (as a `Reader`)."""
        return ((key, self._states[key]) for key in sorted(self._states) if key.startswith(prefix))

    def _fold(self, event: Event) -> Iterator[Fact]:
        for record in self._records(event):
            if isinstance(record, Fact) and not isinstance(record, _SENT):
                yield record

    def _records(self, event: Event) -> list[msgspec.Struct]:
        """Returns all that is written when the event is folded; nothing of one that is refused."""
        self._offset += 1
        try:
            outcome: Outcome = self._processor.process(event, Position(self._partition, self._offset), self)
        except (StepFailed, Refused) as error:
            cause = error.__cause__ if isinstance(error, StepFailed) else error
            self.refused[cause.reason if isinstance(cause, Refused) else "defect"] += 1
            return []
        self.folded += not isinstance(event, Tick)
        self._keep(outcome.states)
        records = [output.record for output in outcome.outputs]
        for record in records:
            self._handed_over.keep(record)
        return records

    def _keep(self, states: Mapping[bytes, State | None]) -> None:
        for key, state in states.items():
            if state is None:
                self._states.pop(key, None)
                self._timers.set(key, None)
            else:
                self._states[key] = state
                self._timers.set(key, self._processor.deadline(key, state))


def _without_place(event: Event) -> Event:
    """Returns what the router said without the position of the log that it answers, which is none of this run."""
    if isinstance(event, _OF_ROUTER) and event.answers:
        return msgspec.structs.replace(event, answers="")
    return event


def _tick(key: bytes, deadline: int) -> Tick:
    return Tick(
        event_id=event_id("recompute", key.hex(), str(deadline)),
        occurred_at=deadline,
        received_at=deadline,
        customer_tag=key[1:].decode() if key[:1] == b"c" else "",
        source="recompute",
        state_key=key,
    )
