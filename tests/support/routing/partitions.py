"""Two partitions of tickets and one of routing per team in memory, and what one writes for the other.

Logs are read in any order, workers are killed between any two writes, and what one partition writes for two others arrives
there in any order: `step` says how. `settle` folds all that is under way, `advance` lets time pass everywhere.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from schemas import codec, events
from schemas.events import Event
from schemas.facts import AssignmentFact, TicketFact
from schemas.identity import event_id
from schemas.topics import CONTACT_EVENTS, ROUTING
from stream_processors.routing.processor import RoutingProcessor
from stream_processors.rules.ruleset import Rules
from stream_processors.tickets.processor import TicketsProcessor
from stream_processors.tickets.state import Customer, Ticket
from tests.support.memory_worker import Crashed, MemoryWorker, Written
from tests.support.tickets.story import at

__all__ = ["Partitions"]

_OF_ROUTING = (events.RoutingUpdate, events.PresenceChanged, events.TeamConfigured, events.RosterChanged)


class Partitions:
    """`tickets` and `routing` are the workers; what is told happens a second after what was told before."""

    def __init__(self, rules: Rules, teams: Sequence[str]) -> None:
        self.tickets = [MemoryWorker(TicketsProcessor(rules), partition) for partition in range(2)]
        self.routing = {team: MemoryWorker(RoutingProcessor(), number) for number, team in enumerate(teams)}
        self.workers = [*self.tickets, *self.routing.values()]
        self._sent = [0] * len(self.workers)
        self._under_way: dict[tuple[int, int], list[Written]] = defaultdict(list)
        self.told = 0

    def tell(self, kind: type[Event], **fields: Any) -> None:
        """Appends an event to the log that it belongs to."""
        self.told += 1
        base = {
            "event_id": event_id("desk", str(self.told)),
            "occurred_at": at(self.told),
            "received_at": at(self.told),
        }
        event = kind(**base | fields)
        self._of(event).append([event])

    def step(self, number: int, size: int, crash_after: int | None, arrives: frozenset[int]) -> None:
        """Folds one batch of one partition, or less; then what was written for the partitions `arrives` is in their logs."""
        with contextlib.suppress(Crashed):
            self.workers[number].run([size], crash_after, batches=1)
        worker = self.workers[number]
        for written in worker.outputs[self._sent[number] :]:
            if written.topic in (CONTACT_EVENTS.name, ROUTING.name):
                target = self.workers.index(self._of(codec.decode(written.value)))
                self._under_way[number, target].append(written)
        self._sent[number] = len(worker.outputs)
        for (_, target), records in self._under_way.items():
            if target in arrives:
                for written in records:
                    self.workers[target].append_raw(written.key or b"", written.value)
                records.clear()

    def settle(self) -> None:
        """Folds everything, and what comes of it."""
        everywhere = frozenset(range(len(self.workers)))
        for _ in range(500):
            waiting = [number for number, each in enumerate(self.workers) if each.committed < len(each.log)]
            if not waiting and not any(self._under_way.values()):
                return
            self.step(waiting[0] if waiting else 0, 500, None, everywhere)
        raise AssertionError("the ticket and the router never agree")

    def time_passes(self, seconds: int, of: Sequence[MemoryWorker] = ()) -> None:
        """Appends the ticks that are due so many seconds later, for these workers or for all."""
        self.told += seconds
        for worker in of or self.workers:
            worker.append(worker.ticks(at(self.told)))

    def advance(self, seconds: int) -> None:
        """Lets so many seconds pass, one by one, and folds everything."""
        for _ in range(seconds):
            self.time_passes(1)
            self.settle()

    # -- what came of it ----------------------------------------------------------------------------------------

    def held(self) -> dict[str, Ticket]:
        """Returns all tickets by id."""
        found: dict[str, Ticket] = {}
        for worker in self.tickets:
            for key, customer in worker.states(b"c"):
                assert isinstance(customer, Customer)
                found |= {each.id_at(key[1:].decode()): each for each in customer.tickets}
        return found

    def entries(self) -> dict[str, list[tuple[str, Any]]]:
        """Returns the entries of each ticket, with the team that has them."""
        found: dict[str, list[tuple[str, Any]]] = defaultdict(list)
        for team, worker in self.routing.items():
            for key, entry in worker.states(b"i"):
                found[key.split(b"\0", 1)[1].decode()].append((team, entry))
        return found

    def owners(self, ticket: str) -> list[tuple[str, str]]:
        """Returns who had a ticket after each of its changes, and by which reason they were given it; '' for none."""
        for worker in self.tickets:
            given = {each.version: each.reason for each in worker.records(AssignmentFact) if each.ticket_id == ticket}
            facts = {each.version: each for each in worker.records(TicketFact) if each.ticket_id == ticket}
            if facts:
                return [(fact.assignee_id, given.get(version, "")) for version, fact in sorted(facts.items())]
        return []

    def _of(self, event: Any) -> MemoryWorker:
        if isinstance(event, _OF_ROUTING):
            return self.routing[event.team]
        return self.tickets[sum(event.customer_tag.encode()) % 2]
