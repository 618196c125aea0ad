"""`assign_us`: CPU per assignment in one team with 500 agents, all of them busy, and 10,000 waiting tickets.

An assignment is what follows when a ticket is done: its agent has room, and gets the ticket that is first in the order of
service among those that suit them. The tickets wait in 36 skill queues (three channels, four languages, three skills); an agent
writes one or two languages and has one skill or none. Each `done` is followed by a `queue`, so that as many wait at the end as at
the beginning; `route_us` is the CPU of both records, from the bytes on the wire to the bytes of outputs and states.
`assign_cost_of_waiting` is how much more it costs than with 1,250 waiting tickets. Records are folded in batches of 500, as a
worker folds what has piled up. The states lie in memory: RocksDB is not measured here, but in `assigned_delay`.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Iterator
from itertools import count
from statistics import median
from typing import Any

from schemas import codec
from schemas.events import Assigned, Event, PresenceChanged, RoutingUpdate
from stream_processors.__main__ import GC_THRESHOLDS
from stream_processors.routing.processor import RoutingProcessor
from stream_processors.runtime.batch import Overlay
from stream_processors.runtime.processor import Position
from tests.benchmarks import assigned_delay
from tests.benchmarks.figures import Figure
from tests.support.proof.fold import Partition, Record

DESCRIPTION = "assignments in a team of 500 agents with 10,000 waiting tickets"
AGENTS, WAITING, FEWER, BATCH, ROUNDS, REPEATS = 500, 10_000, 1_250, 500, 2_000, 5
CHANNELS, LANGUAGES, SKILLS = (
    ("chat", "social", "email"),
    ("en", "ja", "zh-Hans", "zh-Hant"),
    ("", "refunds", "billing"),
)
T0 = 1_772_409_600_000_000


def run(bench: Any) -> list[Figure]:
    gc.set_threshold(*GC_THRESHOLDS)  # as a worker does
    many, fewer = [measure(WAITING) for _ in range(REPEATS)], [measure(FEWER) for _ in range(REPEATS)]
    assign, route = (median(side) for side in zip(*many, strict=True))
    return [
        Figure("assign_us", round(assign, 1), "µs CPU", at_most=30),
        Figure("route_us", round(route, 1), "µs CPU"),
        Figure("assign_cost_of_waiting", round(assign / median(each for each, _ in fewer), 2), "ratio", at_most=1.5),
        *assigned_delay.run(bench),
    ]


def measure(waiting: int) -> tuple[float, float]:
    """Returns the CPU (µs) of an assignment, and of both records of it with decoding and encoding."""
    team = BusyTeam(waiting)
    return team.assignments(), team.records()


class BusyTeam:
    """A team in which everybody has their hands full. `partition` holds its states."""

    def __init__(self, waiting: int) -> None:
        self.random, self.number, self.offset = random.Random(waiting), count(), 0
        self.partition = Partition(RoutingProcessor(), 0)
        self.held: list[str] = []
        for agent in range(AGENTS):
            self.fold(self.presence(agent))
        while len(self.held) < 5 * AGENTS:
            self.fold(*(self.queued() for _ in range(BATCH)))
        self.fold(*(self.queued() for _ in range(waiting)))

    def presence(self, agent: int) -> Event:
        return PresenceChanged(
            **self._base(),
            agent_id=f"agent{agent}",
            team="team",
            status="online",
            capacity={"chat": 2, "default": 3},
            languages=sorted({"en", self.random.choice(LANGUAGES)}),
            skills=[self.random.choice(SKILLS)] if agent % 2 else [],
        )

    def queued(self) -> Event:
        skill = self.random.choice(SKILLS)
        return RoutingUpdate(
            **self._base(),
            channel=self.random.choice(CHANNELS),
            ticket_id=f"AAAABBBBCCCA-{next(self.number)}",
            team="team",
            action="queue",
            priority=self.random.choice(("normal", "normal", "high")),
            language=self.random.choice(LANGUAGES),
            skills=[skill] if skill else [],
            eligible_at=T0 + self.offset,
            due_at=T0 + self.random.randrange(10**10),
        )

    def done(self) -> Event:
        place = self.random.randrange(len(self.held))
        self.held[place], self.held[-1] = self.held[-1], self.held[place]
        return RoutingUpdate(**self._base(), ticket_id=self.held.pop(), team="team", action="done")

    def _base(self) -> dict[str, Any]:
        at = T0 + next(self.number)
        return {"event_id": f"e{at}", "occurred_at": at, "received_at": at, "customer_tag": "AAAABBBBCCCA"}

    def fold(self, *events: Event) -> None:
        """Folds a batch and keeps its states."""
        records = [Record(self.offset + number, b"team", codec.encode(event)) for number, event in enumerate(events)]
        self.offset += len(records)
        for batch in self.partition.fold(records):
            self._note(codec.decode(value) for _, _, value in batch.outputs)

    def _note(self, records: Iterator[Any]) -> None:
        self.held += [record.ticket_id for record in records if isinstance(record, Assigned) and record.agent_id]

    def assignments(self) -> float:
        """Returns the CPU (µs) of folding a `done`, the ticket that follows included, once bytes are events."""
        spent = made = 0.0
        folder = self.partition.folder
        for _ in range(ROUNDS // BATCH):
            overlay = Overlay(folder.codec, self.partition.states.get, self.partition._scan)
            events = [self.done() for _ in range(BATCH)]
            began = time.process_time()
            outputs = [self._process(folder.processor, event, overlay) for event in events]
            spent += time.process_time() - began
            assigned = [each.record for some in outputs for each in some if isinstance(each.record, Assigned)]
            made += len(assigned)
            self._note(iter(assigned))
            dump = folder.codec.dump
            changed = {key: None if state is None else dump(key, state) for key, state in overlay.changed.items()}
            self.partition._write(changed)
            self.fold(*(self.queued() for _ in range(BATCH)))
        return spent / made * 1e6

    def _process(self, processor: RoutingProcessor, event: Event, overlay: Overlay) -> Any:
        outcome = processor.process(event, Position(0, self.offset), overlay)
        self.offset += 1
        overlay.changed.update(outcome.states)
        return outcome.outputs

    def records(self) -> float:
        """Returns the CPU (µs) of a `done` and a `queue`, from bytes to bytes, per assignment."""
        spent, made = 0.0, 0
        for _ in range(ROUNDS // BATCH):
            events = [event for _ in range(BATCH // 2) for event in (self.queued(), self.done())]
            held = len(self.held)
            began = time.process_time()
            self.fold(*events)
            spent += time.process_time() - began
            made += len(self.held) - held
        return spent / made * 1e6
