"""A recomputation: the log of one partition folded again under other rules, as if they had always been in force.

It is the fold of the worker, with three differences. All events meet the same rules, whenever we received them. Ticks
of the log are left out, for they came when the old deadlines were due: here every deadline gets its own, as soon as
the log has passed it. And only facts come out: what was sent and assigned then has been, and stands in the log.

A ticket that changed hands stands in the log as it was then, with the clocks of then. Here it goes over as this run has
made it: see `HandedOver`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from schemas.errors import Refused
from schemas.events import CustomersMerged, CustomersSplit, Event, Tick, TicketAdopted
from schemas.facts import DeliveryFact, Fact, Outbound
from schemas.identity import event_id
from stream_processors.recompute.reorder_buffer import ReorderBuffer
from stream_processors.runtime.processor import Outcome, Position, Processor, State, StepFailed
from stream_processors.runtime.timers import Timers

__all__ = ["HandedOver", "Recomputation"]

_TICKS_AT_ONCE = 1000
#: Facts of what was sent: nothing is sent.
_SENT = (Outbound, DeliveryFact)
#: Versions of a ticket that has changed hands n times begin at n times this: above all that it had before, in any partition.
_LIFT = 1 << 40


class HandedOver:
    """What one partition writes to another when customers are merged or split: tickets, and what was known of a customer.

    The run keeps its own, and puts them in the place of those in the log. When the receiver's partition is folded before
    the giver's, nothing is known yet: fold the customers with events of these `KINDS` until `known` stays what it is.
    """

    KINDS = (CustomersMerged, CustomersSplit, TicketAdopted)

    def __init__(self) -> None:
        self.known: dict[str, bytes] = {}

    def hears(self, event: object) -> None:
        """Keep what this run hands over."""
        if isinstance(event, TicketAdopted):
            self.known[event.event_id] = event.ticket
        elif isinstance(event, CustomersMerged):
            self.known[event.event_id] = event.known

    def as_here(self, event: Event) -> Event:
        """The event of the log, with what this run has made of what it brings."""
        if isinstance(event, TicketAdopted):
            ticket = self.known.get(event.event_id, event.ticket)
            return msgspec.structs.replace(event, ticket=ticket, version=event.moves * _LIFT)
        if isinstance(event, CustomersMerged) and event.event_id in self.known:
            return msgspec.structs.replace(event, known=self.known[event.event_id])
        return event


class Recomputation:
    """One partition. `refused` counts what the fold did not take, by reason: the worker makes dead letters of it.

    Positions are those of this run, not of the log, because there are other ticks between its records. With `healing`
    events that came late are folded where they happened, and a deadline is due when it passes there.
    """

    def __init__(
        self,
        processor: Processor,
        partition: int,
        healing: ReorderBuffer | None = None,
        handed_over: HandedOver | None = None,
    ) -> None:
        self._processor, self._partition, self._offset = processor, partition, -1
        self._healing = healing
        self._handed_over = handed_over or HandedOver()
        self._states: dict[bytes, State] = {}
        self._deadlines = Timers()
        self._now = 0
        self.folded = 0
        self.refused: Counter[str] = Counter()

    def take(self, event: Event) -> Iterator[Fact]:
        """The facts of the next event of the log, and before them those of what was due until we received it."""
        if isinstance(event, Tick):
            return
        event = self._handed_over.as_here(event)
        if self._healing is not None:
            for healed in self._healing.take(event):
                yield from self._in_place(healed)
            return
        yield from self._due(event.received_at)
        yield from self._fold(event)

    def end(self, now: int) -> Iterator[Fact]:
        """The facts of what is left when the log has ended, and of everything that is due by `now` (micros)."""
        if self._healing is not None:
            for healed in self._healing.rest():
                yield from self._in_place(healed)
        yield from self._due(now)

    def _in_place(self, event: Event) -> Iterator[Fact]:
        yield from self._due(min(event.occurred_at, event.received_at))
        yield from self._fold(event)

    def _due(self, now: int) -> Iterator[Fact]:
        """The facts of everything that is due by `now`; time never goes back."""
        self._now = now = max(self._now, now)
        while due := self._deadlines.due(now, _TICKS_AT_ONCE):
            for deadline, key in due:
                yield from self._fold(_tick(key, deadline))

    def get(self, key: bytes) -> Any | None:
        return self._states.get(key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, Any]]:
        return ((key, self._states[key]) for key in sorted(self._states) if key.startswith(prefix))

    def _fold(self, event: Event) -> Iterator[Fact]:
        self._offset += 1
        try:
            outcome: Outcome = self._processor.process(event, Position(self._partition, self._offset), self)
        except (StepFailed, Refused) as error:
            cause = error.__cause__ if isinstance(error, StepFailed) else error
            self.refused[cause.reason if isinstance(cause, Refused) else "defect"] += 1
            return
        self.folded += not isinstance(event, Tick)
        self._keep(outcome.states)
        for record in (output.record for output in outcome.outputs):
            self._handed_over.hears(record)
            if isinstance(record, Fact) and not isinstance(record, _SENT):
                yield record

    def _keep(self, states: Mapping[bytes, State | None]) -> None:
        for key, state in states.items():
            if state is None:
                self._states.pop(key, None)
                self._deadlines.set(key, None)
            else:
                self._states[key] = state
                self._deadlines.set(key, self._processor.deadline(key, state))


def _tick(key: bytes, deadline: int) -> Tick:
    return Tick(
        event_id=event_id("recompute", key.hex(), str(deadline)),
        occurred_at=deadline,
        received_at=deadline,
        customer_tag=key[1:].decode() if key[:1] == b"c" else "",
        source="recompute",
        state_key=key,
    )
