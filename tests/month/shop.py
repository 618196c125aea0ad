"""The simulator's shop over days, without Kafka: its plan, its staff and its customers, through the real processors.

Events are folded one after the other as they happen; every deadline of every state gets its tick. Two things come out:
the facts that a sink would read, and `Raw` rows: what happened to which ticket, for a recomputation that must not use
anything that the fold concluded about time.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from aiokafka.partitioner import murmur2

from producers.simulation.agents import Director
from producers.simulation.day import DAY, people_of, plan_day
from producers.simulation.people import presences
from producers.simulation.planned import Planned, event_of
from schemas.clock import MICROS
from schemas.codec import snake
from schemas.events import (
    AgentReplied,
    ArticleViewed,
    Assigned,
    CallEnded,
    Event,
    MessageReceived,
    NoteAdded,
    OrderPlaced,
    PresenceChanged,
    RoutingUpdate,
    StatusChanged,
    SurveyAnswered,
    Tick,
    Transferred,
)
from schemas.facts import (
    AcknowledgementFact,
    AssignmentFact,
    ContactFact,
    Fact,
    FollowUpFact,
    InvitationFact,
    TicketFact,
)
from stream_processors.processor import Position, StepFailed
from stream_processors.routing.fold import RoutingProcessor
from stream_processors.rules import Rules
from stream_processors.surveys import Signing
from stream_processors.tickets.fold import TicketsProcessor
from stream_processors.tickets.state import customer_key
from tests.month.colleagues import Colleagues

__all__ = ["Raw", "Shop"]

PARTITIONS = 3
#: So many contacts a day does the staff answer at its usual capacity.
CONTACTS_PER_SCALE = 400
_TOLD = (AssignmentFact, TicketFact, InvitationFact, FollowUpFact)
_BACK = (RoutingUpdate, Assigned, MessageReceived)


class Raw(NamedTuple):
    """One thing that happened, in the order of the log. Nothing here is a measure of time.

    at, since       when, and for a voice message when it began to ring; micros
    agent, team     of an assignment, a reply, a status
    channel, priority, tier, owner   of the ticket after the event: what its texts and tags made of it
    said            of a message: `thanks` says only that, `machine` was written by one
    acknowledged    of a message: whether we acknowledged it: `sent`, `suppressed` or ''
    reasons, thread of a message: what the taxonomy finds in it, and its conversation
    """

    seq: int
    kind: str
    at: int
    since: int
    ticket: str = ""
    channel: str = ""
    priority: str = ""
    tier: str = ""
    owner: str = ""
    agent: str = ""
    team: str = ""
    status: str = ""
    said: str = ""
    acknowledged: str = ""
    csat: int = 0
    ces: int = 0
    episode: int = 0
    reasons: tuple[str, ...] = ()
    thread: str = ""


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
        self._director, self._colleagues = Director(seed, []), Colleagues(seed, rules.teams.teams)
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
        self._director.meet(people_of(seed, self._contacts))
        for planned in plan_day(seed, self._contacts, start):
            self._plan(planned)
        for event in presences(start, start + DAY, -(-self._contacts // CONTACTS_PER_SCALE)):
            self._plan(Planned(event.occurred_at, event.event_id, event))

    def _plan(self, planned: Planned) -> None:
        self._push(planned.at, planned.order, planned)

    def _push(self, at: int, order: str, what: Planned | tuple[_Partition, bytes, int]) -> None:
        if at < self.end:
            self._serial += 1
            heapq.heappush(self._heap, (at, order, self._serial, what))

    def _next(self, what: Planned | tuple[_Partition, bytes, int]) -> None:
        if not isinstance(what, Planned):
            self._tick(*what)
        elif self._director.stands(what) and self._colleagues.stands(what):
            event = event_of(what)
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
            queue += [each for each in self._fold(partition, event) if isinstance(each, _BACK)]

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
            self._note(event, records)
        for record in records:
            if isinstance(record, Fact):
                self._hears(record)
            if isinstance(record, _TOLD):
                for planned in (*self._director.saw(record), *self._colleagues.saw(record)):
                    self._plan(planned)
        return records

    def _wait(self, partition: _Partition, key: bytes, state: Any) -> None:
        due = None if state is None else partition.processor.deadline(key, state)
        if due is None:
            self._due.pop(key, None)
        elif self._due.get(key) != due:
            self._due[key] = due
            self._push(due, "", (partition, key, due))

    # -- what is recomputed from ----------------------------------------------------------------------------------

    def _note(self, event: Event, records: list[Any]) -> None:
        self._seq += 1
        ticket, acknowledged = "", ""
        for record in records:
            if isinstance(record, ContactFact):
                ticket = record.ticket_id
            elif isinstance(record, TicketFact):
                self._places[record.ticket_id] = record.channel, record.priority, record.tier, record.team
            elif isinstance(record, AcknowledgementFact):
                acknowledged = record.outcome
        if type(event) is Tick:
            invitations = [each for each in records if isinstance(each, InvitationFact) and each.outcome == "sent"]
            for fact in invitations:
                place = self._places[fact.ticket_id]
                self._saw(Raw(self._seq, "invited", fact.at, fact.at, fact.ticket_id, *place, episode=fact.episode))
                self._seq += 1
            return
        row = Raw(self._seq, "", event.occurred_at, event.occurred_at, ticket, *self._places.get(ticket, ("",) * 4))
        self._saw(row._replace(acknowledged=acknowledged, **self._said(event, ticket)))

    def _said(self, event: Event, ticket: str) -> dict[str, Any]:
        if isinstance(event, MessageReceived):
            said = "machine" if self.rules.guards.from_machine(event) else ""
            if self.rules.policies.thanks.only(
                event.text, self._agent(event, ticket), event.customer_name.split(" ")[0]
            ):
                said = "thanks"
            reasons = self._reasons(event.text, event.subject)
            return {"kind": "message", "said": said, "reasons": reasons, "thread": event.thread_id}
        if isinstance(event, CallEnded):
            since = event.occurred_at - round(event.wait_seconds * MICROS)
            return {"kind": "voicemail", "since": since, "reasons": self._reasons(event.transcript)}
        if isinstance(event, Assigned):
            return {"kind": "assigned", "agent": event.agent_id, "team": event.team}
        if isinstance(event, Transferred):
            return {"kind": "transferred", "agent": event.to_agent, "team": event.to_team}
        if isinstance(event, AgentReplied):
            return {"kind": "replied", "agent": event.agent_id}
        if isinstance(event, StatusChanged):
            return {"kind": "status", "agent": event.agent_id, "status": event.status}
        if isinstance(event, SurveyAnswered):
            scores = {"csat": event.csat or 0, "ces": event.ces or 0}
            return {"kind": "survey", "ticket": event.ticket_id, "episode": event.episode, **scores}
        if isinstance(event, NoteAdded):
            return {"kind": "note", "agent": event.agent_id}
        if isinstance(event, OrderPlaced):
            return {"kind": "order", "channel": event.channel}
        assert isinstance(event, ArticleViewed), f"the simulator never sent {type(event).__name__} before"
        return {"kind": "article", "channel": event.channel}

    def _reasons(self, text: str, subject: str = "") -> tuple[str, ...]:
        return tuple(match.slug for match in self.rules.taxonomy.read(text, subject).matches)

    def _agent(self, event: Event, ticket: str) -> str:
        """Who has the ticket: customers thank people by name."""
        customer = self._tickets[(murmur2(event.customer_tag.encode()) & 0x7FFFFFFF) % PARTITIONS].get(
            customer_key(event.customer_tag)
        )
        found = [each for each in customer.tickets if each.id_at(event.customer_tag) == ticket] if customer else []
        return found[0].assignee if found else ""
