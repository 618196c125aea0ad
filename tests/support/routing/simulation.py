"""Plays days of a help desk against the real router, event by event, and judges every step by rules of its own.

Time is that of the heap of events. A ticket's own partition is played here: it takes an assignment that answers its last
decision, refuses any other, and moves what overflows. Ticks come when the router's states are due.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from itertools import count
from typing import Any

from schemas.clock import MICROS
from schemas.events import (
    AgentProfile,
    Assigned,
    Event,
    OfferAnswered,
    Offered,
    Overflowed,
    PresenceChanged,
    RoutingUpdate,
    TeamConfigured,
    Tick,
)
from stream_processors.routing.processor import RoutingProcessor
from stream_processors.runtime.processor import Position
from tests.support.routing.judge import Judge
from tests.support.routing.offering import Offering
from tests.support.routing.staff import Staff
from tests.support.routing.world import (
    CHANNELS,
    DAY,
    HOUR,
    LIMITS,
    MINUTE,
    ORDER,
    PRIORITIES,
    SILENT_SECONDS,
    START,
    TARGETS,
    WEIGHTS,
    Found,
    Person,
    States,
    Ticket,
    place_of,
)


class Desk:
    """The simulation. `overflow` and `accept` seconds by channel; `order` as teams configure it; `checks` judges every step."""

    def __init__(
        self,
        seed: int,
        teams: int = 3,
        agents: int = 12,
        order: tuple[str, ...] = ORDER,
        overflow: dict[str, int] | None = None,
        checks: bool = True,
        accept: dict[str, int] | None = None,
    ) -> None:
        self.random, self.found, self.checks, self.order = random.Random(seed), Found(), checks, order
        self.overflow = {"chat": 240, "email": 4 * 3600} if overflow is None else overflow
        self.accept, self.offering, self.staff = accept or {}, Offering(self), Staff(self)
        self.now, self.steps = START, 0
        self._sequence, self._heap = count(), list[tuple[int, int, Callable[[], None]]]()
        self._router = RoutingProcessor()
        self.states = States()
        self._offset = -1
        self.tickets: dict[str, Ticket] = {}
        self.hands: dict[str, dict[str, Ticket]] = {}
        self.teams = [f"team{number}" for number in range(teams)]
        self.people = {
            f"agent{number:02}": Person(
                f"agent{number:02}",
                self.teams[number % teams],
                (("en",), ("en", "ja"), ("en", "zh"))[number // teams % 3],
                (("refunds",), ())[number // teams % 2],
                f"source{number % 2}",
                hours=(8, 17) if number % 3 else (12, 21),
            )
            for number in range(agents)
        }
        self.waiting: dict[str, dict[tuple[str, str, tuple[str, ...]], dict[str, tuple[Any, ...]]]] = {
            team: {} for team in self.teams
        }
        self.judge = Judge(self)

    # -- time ---------------------------------------------------------------------------------------------------

    def number(self) -> int:
        return next(self._sequence)

    def later(self, at: int, act: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (at, next(self._sequence), act))

    def play(self, days: int, contacts_per_day: int) -> Found:
        for team in self.teams:
            self.fold(configuration(self, team), team)
        for day in range(days):
            plan_day(self, START + day * DAY, contacts_per_day)
        end = START + days * DAY
        while self._heap and self._heap[0][0] < end:
            self.now, _, act = heapq.heappop(self._heap)
            act()
        return self.found

    # -- what happens -------------------------------------------------------------------------------------------

    def contact(self) -> None:
        ticket = new_ticket(self)
        self.tickets[ticket.id] = ticket
        self._queue(ticket)

    def _queue(self, ticket: Ticket) -> None:
        self._give(ticket, "")
        ticket.waits, ticket.since = True, self.now
        others = [team for team in self.teams if team != ticket.team]
        ticket.fallback = others[0] if others and not ticket.ref.startswith("moved") else ""
        self._decide(ticket, "moved" if ticket.ref.startswith("moved") else "queue")
        self.wait(ticket)
        self.tell(ticket, "queue")

    def _handled(self, ticket: Ticket, agent: str, ref: str) -> None:
        """The agent answers, if they still have the ticket; some tickets come back, a few are given away by hand."""
        if ticket.agent != agent or ticket.ref != ref:
            return
        if not self.people[agent].here:
            self.later(self.now + 10 * MINUTE, lambda: self._handled(ticket, agent, ref))
            return
        fate = self.random.random()
        if fate < 0.03:
            other = self.random.choice([each.name for each in self.people.values() if each.team == ticket.team])
            self._decide(ticket, "hand")
            self._give(ticket, other)
            self.tell(ticket, "busy", agent_id=other)
            self._work(ticket, other)
            return
        self._give(ticket, "")
        self._decide(ticket, "answered")
        if fate < 0.2:
            self.tell(ticket, "idle")
            self.later(self.now + self.random.randrange(3 * HOUR), lambda: self._come_back(ticket))
        else:
            self.tell(ticket, "done")
            del self.tickets[ticket.id]

    def _come_back(self, ticket: Ticket) -> None:
        ticket.eligible_at, ticket.due_at = self.now, self.now + TARGETS[ticket.channel]
        ticket.ref = ""
        self._queue(ticket)

    def _work(self, ticket: Ticket, agent: str) -> None:
        person = self.people[agent]
        if ticket.channel == "chat":
            done = self.now + ticket.handle_micros
        else:
            person.busy_until = done = max(self.now, person.busy_until) + ticket.handle_micros
        ref = ticket.ref
        self.later(done, lambda: self._handled(ticket, agent, ref))

    # -- the tickets' side --------------------------------------------------------------------------------------

    def _decide(self, ticket: Ticket, what: str) -> None:
        ticket.ref = f"{what}{self._offset}"

    def tell(self, ticket: Ticket, action: str, team: str = "", **fields: Any) -> None:
        team = team or ticket.team
        update = RoutingUpdate(
            **self.base("update", ticket.id),
            channel=ticket.channel,
            ticket_id=ticket.id,
            team=team,
            action=action,
            priority=ticket.priority,
            language=ticket.language,
            skills=ticket.skills,
            eligible_at=ticket.eligible_at,
            due_at=ticket.due_at,
            fallback=ticket.fallback,
            ref=ticket.ref,
            **fields,
        )
        self.fold(update, team)

    def _take(self, record: Assigned) -> None:
        ticket = self.tickets[record.ticket_id]
        assert record.answers == ticket.ref, "one log: no answer comes too late here"
        assert record.team == ticket.team
        self.found.count(record.reason)
        if not record.agent_id:
            assert ticket.agent, "who gives back had it"
            self._give(ticket, "")
            ticket.waits, ticket.since = True, self.now
            self.wait(ticket)
            return
        assert not ticket.agent and ticket.waits, "no ticket has two owners"
        if self.checks:
            self.judge.assignment(ticket, record.agent_id)
        self.unwait(ticket)
        self._has(ticket, record.agent_id)

    def accepted(self, ticket: Ticket, agent: str) -> None:
        """An agent takes what was offered to them."""
        self.found.count("accepted")
        self._decide(ticket, "accepted")
        self._has(ticket, agent, told=True)

    def _has(self, ticket: Ticket, agent: str, *, told: bool = False) -> None:
        self._give(ticket, agent)
        ticket.waits = False
        if told:
            self.tell(ticket, "busy", agent_id=agent)
        if ticket.first_wait is None:
            ticket.first_wait = self.now - ticket.eligible_at
            self.found.waits[ticket.channel].append(ticket.first_wait / MICROS)
            self.found.late += self.now > ticket.due_at
        self._work(ticket, agent)

    def _move(self, record: Overflowed) -> None:
        ticket = self.tickets[record.ticket_id]
        assert record.answers == ticket.ref and ticket.waits and record.to_team == ticket.fallback
        self.found.count("overflowed")
        old, ticket.team, ticket.ref = ticket.team, record.to_team, "moved"
        self.tell(ticket, "done", old)
        self._queue(ticket)

    def _give(self, ticket: Ticket, agent: str) -> None:
        self.hands.get(ticket.agent, {}).pop(ticket.id, None)
        ticket.agent = agent
        if agent:
            self.hands.setdefault(agent, {})[ticket.id] = ticket

    def wait(self, ticket: Ticket) -> None:
        group = (ticket.channel, ticket.language, tuple(ticket.skills))
        self.waiting[ticket.team].setdefault(group, {})[ticket.id] = self.place(ticket)

    def unwait(self, ticket: Ticket) -> None:
        group = (ticket.channel, ticket.language, tuple(ticket.skills))
        del self.waiting[ticket.team][group][ticket.id]

    def place(self, ticket: Ticket) -> tuple[Any, ...]:
        return place_of(ticket, self.order)

    # -- the router ---------------------------------------------------------------------------------------------

    def base(self, *parts: str) -> dict[str, Any]:
        return {
            "event_id": f"{parts} {self._offset}",
            "occurred_at": self.now,
            "received_at": self.now,
            "customer_tag": "",
            "source": parts[2] if len(parts) > 2 else "",
        }

    def fold(self, event: Event, team: str) -> None:
        self._offset += 1
        self.steps += 1
        outcome = self._router.process(event, Position(0, self._offset), self.states)
        for key, state in outcome.states.items():
            self._store(key, state)
        if self.accept or isinstance(event, PresenceChanged | Tick | TeamConfigured):
            for name, agent in self.states.get(b"t" + team.encode()).agents.items():
                self.people[name].status = agent.status
        for output in outcome.outputs:
            self._read(output.record)
        if self.checks:
            self.judge.step(team)
        for output in outcome.outputs:
            if isinstance(output.record, Overflowed):
                self._move(output.record)

    def _read(self, record: Any) -> None:
        match record:
            case Assigned():
                self._take(record)
            case Offered():
                self.offering.offered(record)
            case OfferAnswered():
                self.offering.ended(record)
            case PresenceChanged():
                self.offering.set_away(record)
            case Overflowed():
                self.unwait(self.tickets[record.ticket_id])

    def _store(self, key: bytes, state: Any) -> None:
        self.states.put(key, state)
        due = None if state is None else self._router.deadline(key, state)
        if due is not None:
            self.later(max(self.now, due), lambda: self._tick(key, due))

    def _tick(self, key: bytes, due: int) -> None:
        state = self.states.get(key)
        if state is None or self._router.deadline(key, state) != due:
            return
        base = self.base("tick") | {"occurred_at": due}
        self.fold(Tick(**base, state_key=key), key[1:].decode().partition("\0")[0])


def plan_day(desk: Desk, start: int, contacts: int) -> None:
    chance = desk.random
    for person in desk.people.values():
        begin, end = (start + hour * HOUR + chance.randrange(10 * MINUTE) for hour in person.hours)
        if chance.random() < 0.07:
            continue  # ill
        desk.later(begin, lambda person=person: desk.staff.report(person, "online"))  # type: ignore[misc]
        lunch = begin + 4 * HOUR
        desk.later(lunch, lambda person=person: desk.staff.report(person, "away"))  # type: ignore[misc]
        desk.later(lunch + 45 * MINUTE, lambda person=person: desk.staff.report(person, "online"))  # type: ignore[misc]
        if chance.random() < 0.1:  # vanishes and comes back
            gone = begin + chance.randrange(3 * HOUR)
            desk.later(gone, lambda person=person: desk.staff.vanish(person))  # type: ignore[misc]
            desk.later(gone + 2 * HOUR, lambda person=person: desk.staff.report(person, "online"))  # type: ignore[misc]
        desk.later(end, lambda person=person: desk.staff.report(person, "offline"))  # type: ignore[misc]
        for beat in range(begin + 2 * MINUTE, end, 4 * MINUTE):
            desk.later(beat, lambda person=person: desk.staff.beat(person))  # type: ignore[misc]
    if chance.random() < 0.5:
        outage = start + 10 * HOUR + chance.randrange(3 * HOUR)
        desk.later(outage, lambda: desk.staff.silent_sources.add("source1"))
        desk.later(outage + 40 * MINUTE, lambda: desk.staff.silent_sources.discard("source1"))
    burst = start + 9 * HOUR + chance.randrange(6 * HOUR)
    for number in range(contacts):
        at = start + 7 * HOUR + chance.randrange(14 * HOUR) if number % 5 else burst + chance.randrange(20 * MINUTE)
        desk.later(at, desk.contact)


def new_ticket(desk: Desk) -> Ticket:
    chance = desk.random
    channel = chance.choices(list(CHANNELS), (3, 1, 1, 5))[0]
    return Ticket(
        id=f"AAAABBBBCCCA-{desk.number()}",
        team=chance.choice(desk.teams),
        channel=channel,
        language=chance.choices(("en", "ja", "zh"), (6, 1, 1))[0],
        priority=chance.choices(list(PRIORITIES), (1, 2, 8, 1))[0],
        skills=["refunds"] if chance.random() < 0.2 else [],
        eligible_at=desk.now,
        due_at=desk.now + TARGETS[channel],
        handle_micros=int((chance.expovariate(1) + 0.3) * (5 if channel == "chat" else 4) * MINUTE),
    )


def configuration(desk: Desk, team: str) -> TeamConfigured:
    profiles = [
        AgentProfile(agent_id=each.name, languages=list(each.languages), skills=list(each.skills))
        for each in desk.people.values()
        if each.team == team
    ]
    return TeamConfigured(
        **desk.base("configured", team),
        team=team,
        number=1,
        content="1",
        agents=profiles,
        limits=LIMITS,
        weights={channel: float(weight) for channel, weight in WEIGHTS.items()},
        overflow_seconds=desk.overflow,
        silent_seconds={"default": SILENT_SECONDS},
        accept_seconds=desk.accept,
        order=list(desk.order),
    )
