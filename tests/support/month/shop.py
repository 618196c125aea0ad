"""The simulator's shop over days, without Kafka: its plan, its staff and its customers, through the real processors.

Events are folded one after the other as they happen; every deadline of every state gets its tick. Two things come out:
the facts that a sink would read, and `Raw` rows: what happened to which ticket.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from aiokafka.partitioner import murmur2

from producers.simulation.agents import Director
from producers.simulation.day import DAY, people_of, plan_day
from producers.simulation.people import presences
from producers.simulation.planned import Planned, event_of
from schemas.codec import snake
from schemas.events import Event, PresenceChanged, RoutingUpdate, TagsCounted, Tick
from schemas.facts import (
    AcknowledgementFact,
    AssignmentFact,
    ContactFact,
    Fact,
    FollowUpFact,
    InvitationFact,
    OfferFact,
    TicketFact,
)
from stream_processors.routing.processor import RoutingProcessor
from stream_processors.rules.ruleset import Rules
from stream_processors.rules.surveys import Signing
from stream_processors.runtime.processor import Position, StepFailed
from stream_processors.tickets.processor import TicketsProcessor
from stream_processors.tickets.state import customer_key
from tests.support.month.actors import Actor
from tests.support.month.calls import Calls
from tests.support.month.chats import Chats
from tests.support.month.duplicate_customers import DuplicateCustomers
from tests.support.month.handovers import Handovers
from tests.support.month.opt_outs import OptOuts
from tests.support.month.raw import Raw, Reading
from tests.support.month.self_service import SelfService

__all__ = ["Shop"]

PARTITIONS = 3
#: So many contacts a day does the staff answer at its usual capacity.
CONTACTS_PER_SCALE = 400
_TOLD = (AssignmentFact, OfferFact, TicketFact, InvitationFact, FollowUpFact)


class _Partition:
    """One log and its states."""

    def __init__(self, processor: Any, number: int) -> None:
        self.processor, self.number, self.offset = processor, number, -1
        self.states: dict[bytes, Any] = {}
        self._sorted: list[bytes] | None = None

    def get(self, key: bytes) -> Any:
        return self.states.get(key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, Any]]:
        if self._sorted is None:  # only the router scans: others need not keep order
            self._sorted = sorted(self.states)
        place = bisect_left(self._sorted, prefix)
        while place < len(self._sorted) and self._sorted[place].startswith(prefix):
            yield self._sorted[place], self.states[self._sorted[place]]
            place += 1

    def fold(self, event: Event) -> tuple[list[Any], Mapping[bytes, Any]]:
        self.offset += 1
        outcome = self.processor.process(event, Position(self.number, self.offset), self)
        for key, state in outcome.states.items():
            if state is not None:
                if self._sorted is not None and key not in self.states:
                    insort(self._sorted, key)
                self.states[key] = state
            elif self.states.pop(key, None) is not None and self._sorted is not None:
                del self._sorted[bisect_left(self._sorted, key)]
        return [output.record for output in outcome.outputs], outcome.states


class Shop:
    """Plays so many days from `start` (micros UTC); `hears` gets every fact, `saw` every raw row, as they come.

    `logs` gets every event of `contact-events`, ticks included, in the order of its log.

    Every day has people of its own, as the live simulator's days have; their tickets go on for as long as they do.
    """

    def __init__(
        self,
        rules: Rules,
        hears: Callable[[Fact], None],
        saw: Callable[[Raw], None],
        *,
        contacts: int,
        start: int,
        days: int,
        seed: int = 7,
        logs: Callable[[Event], None] = lambda event: None,
    ) -> None:
        self.rules, self._hears, self._saw, self._logs = rules, hears, saw, logs
        signing = Signing("https://shop.example", ("secret",))
        self._tickets = [_Partition(TicketsProcessor(rules, signing=signing), each) for each in range(PARTITIONS)]
        self._router = _Partition(RoutingProcessor(), 0)
        self._due: dict[bytes, int] = {}
        self._director = Director(seed, [])
        staff, customers = Handovers(seed, rules.teams.teams), (Chats(seed), Calls(seed), SelfService(), OptOuts(seed))
        self._actors: tuple[Actor, ...] = (staff, *customers, DuplicateCustomers(seed))
        self._reading = Reading(rules, self._agent)
        self._heap: list[tuple[int, str, int, Planned | tuple[_Partition, bytes, int]]] = []
        self._serial = self._seq = 0
        self._places: dict[str, tuple[str, str, str, str]] = {}
        self.refused: list[str] = []
        self.published = Counter[str]()
        self.start, self.end = start, start + days * DAY
        self._contacts, self._seed = contacts, seed

    def play(self, say: Callable[[str], None] = lambda text: None) -> None:
        """Everything until the end; whoever is in the middle of something then, stays there."""
        for day in range((self.end - self.start) // DAY):
            self._open_day(day)
            until = self.start + (day + 1) * DAY
            while self._heap and self._heap[0][0] < until:
                self._next(heapq.heappop(self._heap)[-1])
            say(f"day {day + 1}: {self._seq:,} things happened to {len(self._places):,} tickets")

    def _open_day(self, day: int) -> None:
        seed, start = self._seed + 1_000_003 * day, self.start + day * DAY
        people = people_of(seed, self._contacts)
        self._director.meet(people)
        self._plan_all(plan_day(seed, self._contacts, start))
        for actor in self._actors:
            self._plan_all(actor.opens(seed, self._contacts, start, people))
        for event in presences(start, start + DAY, -(-self._contacts // CONTACTS_PER_SCALE)):
            self._plan(Planned(event.occurred_at, event.event_id, event))

    def _plan_all(self, plans: Iterable[Planned]) -> None:
        for planned in plans:
            self._plan(planned)

    def _plan(self, planned: Planned) -> None:
        self._push(planned.at, planned.order, planned)

    def _push(self, at: int, order: str, what: Planned | tuple[_Partition, bytes, int]) -> None:
        if at < self.end:
            self._serial += 1
            heapq.heappush(self._heap, (at, order, self._serial, what))

    def _next(self, what: Planned | tuple[_Partition, bytes, int]) -> None:
        if not isinstance(what, Planned):
            self._tick(*what)
        elif all(each.stands(what) for each in (self._director, *self._actors)):
            event = event_of(what)
            for actor in self._actors:
                event = actor.dresses(event)
            self.published[snake(type(event).__name__)] += 1
            self._happens(event)

    def _tick(self, partition: _Partition, key: bytes, due: int) -> None:
        if self._due.get(key) != due:
            return  # something else is due first, or nothing is any more
        del self._due[key]
        tag = key[1:].decode() if key[:1] == b"c" else ""
        tick = Tick(event_id=f"{key!r} {due}", occurred_at=due, received_at=due, customer_tag=tag, state_key=key)
        self._fold(partition, tick)

    def _happens(self, event: Event) -> None:
        queue = [event]
        while queue:
            event = queue.pop(0)
            partition = self._router
            if not isinstance(event, PresenceChanged | RoutingUpdate):
                partition = self._tickets[(murmur2(event.customer_tag.encode()) & 0x7FFFFFFF) % PARTITIONS]
            written = self._fold(partition, event)
            queue += [each for each in written if isinstance(each, Event) and not isinstance(each, TagsCounted)]

    def _fold(self, partition: _Partition, event: Event) -> list[Any]:
        try:
            records, states = partition.fold(event)
        except StepFailed as error:
            self.refused.append(f"{type(event).__name__} {error.stage}: {error.__cause__}")
            return []
        if partition is not self._router:
            self._logs(event)
            for key, state in states.items():
                self._wait(partition, key, state)
            if (ticket := self._note(event, records)) is not None:
                for actor in self._actors:
                    self._plan_all(actor.heard(event, ticket))
        for record in records:
            if isinstance(record, Fact):
                self._hears(record)
            if isinstance(record, _TOLD):
                self._plan_all(self._director.saw(record))
                for actor in self._actors:
                    self._plan_all(actor.saw(record))
        return records

    def _wait(self, partition: _Partition, key: bytes, state: Any) -> None:
        due = None if state is None else partition.processor.deadline(key, state)
        if due is None:
            self._due.pop(key, None)
        elif self._due.get(key) != due:
            self._due[key] = due
            self._push(due, "", (partition, key, due))

    # -- what is recomputed from ----------------------------------------------------------------------------------

    def _note(self, event: Event, records: list[Any]) -> str | None:
        """Keep what happened; the ticket that it happened to, None when somebody else is told of it."""
        ticket, acknowledged, concerns = "", "", False
        for record in records:
            if isinstance(record, ContactFact):
                ticket, concerns = record.ticket_id, True
            elif isinstance(record, TicketFact):
                self._places[record.ticket_id] = record.channel, record.priority, record.tier, record.team
            elif isinstance(record, AcknowledgementFact):
                acknowledged = record.outcome
            elif isinstance(record, InvitationFact) and record.outcome == "sent":
                place = self._places[record.ticket_id]
                self._keep(Raw(0, "invited", record.at, record.at, record.ticket_id, *place, episode=record.episode))
        if not concerns:
            return None
        row = Raw(0, "", event.occurred_at, event.occurred_at, ticket, *self._places.get(ticket, ("",) * 4))
        for said in self._reading.said(event, ticket):
            fields = {"customer": event.customer_tag, "acknowledged": acknowledged, **said}
            self._keep(row._replace(**fields))
        return ticket

    def _keep(self, row: Raw) -> None:
        self._seq += 1
        self._saw(row._replace(seq=self._seq))

    def _agent(self, event: Event, ticket: str) -> str:
        """Who has the ticket: customers thank people by name."""
        customer = self._tickets[(murmur2(event.customer_tag.encode()) & 0x7FFFFFFF) % PARTITIONS].get(
            customer_key(event.customer_tag)
        )
        found = [each for each in customer.tickets if each.id_at(event.customer_tag) == ticket] if customer else []
        return found[0].assignee if found else ""
