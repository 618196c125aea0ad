"""A simulated day through the real steps, in memory: what the demo shows is believable, and nobody is forgotten."""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from producers.simulation.agents import Director
from producers.simulation.day import DAY, people_of, plan_day
from producers.simulation.people import presences
from producers.simulation.planned import Planned, event_of
from schemas.events import Assigned, Event, MessageReceived, PresenceChanged, RoutingUpdate, Tick
from schemas.facts import (
    AcknowledgementFact,
    AssignmentFact,
    ClockFact,
    FollowUpFact,
    InvitationFact,
    PresenceFact,
    SurveyFact,
    TagFact,
    TicketFact,
)
from stream_processors.routing.processor import RoutingProcessor
from stream_processors.rules import ruleset
from stream_processors.rules.surveys import Signing
from stream_processors.runtime.processor import Position, StepFailed
from stream_processors.tickets.processor import TicketsProcessor
from stream_processors.tickets.state import customer_key

START = 1_772_409_600_000_000  # 2026-03-02T00:00:00Z
CONTACTS = 250


class Partition:
    """One log and its states."""

    def __init__(self, processor: Any) -> None:
        self.processor, self.offset = processor, -1
        self.states: dict[bytes, Any] = {}
        self.keys: list[bytes] = []

    def get(self, key: bytes) -> Any:
        return self.states.get(key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, Any]]:
        index = bisect_left(self.keys, prefix)
        while index < len(self.keys) and self.keys[index].startswith(prefix):
            yield self.keys[index], self.states[self.keys[index]]
            index += 1

    def fold(self, event: Event) -> list[Any]:
        self.offset += 1
        outcome = self.processor.process(event, Position(0, self.offset), self)
        for key, state in outcome.states.items():
            if state is None:
                if self.states.pop(key, None) is not None:
                    del self.keys[bisect_left(self.keys, key)]
            else:
                if key not in self.states:
                    insort(self.keys, key)
                self.states[key] = state
        return [output.record for output in outcome.outputs]


class Day:
    """Plays the plan: contacts to tickets, tickets to the router, facts to the director, and what it plans."""

    def __init__(self, seed: int = 7) -> None:
        signing = Signing("https://shop.example", ("secret",))
        self.tickets = Partition(TicketsProcessor(ruleset.load(), signing=signing))
        self.router = Partition(RoutingProcessor())
        self.due: dict[bytes, int] = {}
        self.director = Director(seed, people_of(seed, CONTACTS))
        self.facts: list[Any] = []
        self.refused: list[str] = []
        self.heap: list[tuple[int, str, int, Planned]] = []
        self.published = Counter[str]()
        for planned in plan_day(seed, CONTACTS, START):
            self.plan(planned)
        for event in presences(START, START + DAY):
            self.plan(Planned(event.occurred_at, event.event_id, event))
        while self.heap:
            self.play(heapq.heappop(self.heap)[-1])

    def plan(self, planned: Planned) -> None:
        if planned.at < START + DAY:
            heapq.heappush(self.heap, (planned.at, planned.order, len(self.published), planned))

    def play(self, planned: Planned) -> None:
        if not self.director.stands(planned):
            return
        event = event_of(planned)
        self.published[type(event).__name__] += 1
        queue: list[Event] = [event]
        while queue:
            event = queue.pop(0)
            partition = self.router if isinstance(event, PresenceChanged | RoutingUpdate) else self.tickets
            try:
                records = partition.fold(event)
            except StepFailed as error:
                self.refused.append(f"{error.stage}: {error.__cause__}")
                continue
            if partition is self.tickets:
                self.tick_for(customer_key(event.customer_tag))
            queue += [each for each in records if isinstance(each, RoutingUpdate | Assigned | MessageReceived)]
            for fact in records:
                if isinstance(fact, AssignmentFact | TicketFact | InvitationFact | FollowUpFact):
                    for planned in self.director.saw(fact):
                        self.plan(planned)
                self.facts.append(fact)

    def tick_for(self, key: bytes) -> None:
        """What the worker does: a tick at a customer's next deadline."""
        state = self.tickets.get(key)
        due = None if state is None else self.tickets.processor.deadline(key, state)
        if due is not None and self.due.get(key) != due:
            self.due[key] = due
            tick = Tick(
                event_id=f"{key!r} {due}",
                occurred_at=due,
                received_at=due,
                customer_tag=key[1:].decode(),
                state_key=key,
            )
            self.plan(Planned(due, tick.event_id, tick))

    def latest(self) -> dict[str, TicketFact]:
        return {fact.ticket_id: fact for fact in self.facts if isinstance(fact, TicketFact)}


@pytest.fixture(scope="module")
def day() -> Day:
    return Day()


def test_nothing_is_refused(day: Day) -> None:
    assert day.refused == []


def test_most_tickets_are_answered_and_solved_within_the_day(day: Day) -> None:
    tickets = day.latest().values()
    answered = [ticket for ticket in tickets if ticket.public_replies]
    solved = [ticket for ticket in tickets if ticket.status == "solved"]
    assert len(answered) > 0.85 * len(tickets)
    assert len(solved) > 0.7 * len(tickets)


def test_every_team_and_every_language_has_work(day: Day) -> None:
    tickets = day.latest().values()
    assert {ticket.team for ticket in tickets} == {"support", "payments", "delivery", "returns", "product", "accounts"}
    assert {ticket.language for ticket in tickets} == {"en", "zh-Hans", "zh-Hant", "ja"}


def test_people_are_acknowledged_and_machines_are_not(day: Day) -> None:
    outcomes = Counter(fact.outcome for fact in day.facts if isinstance(fact, AcknowledgementFact))
    machines = round(CONTACTS * 0.03)
    assert machines <= outcomes["suppressed"] <= machines + 6
    assert outcomes["sent"] > 0.75 * CONTACTS


def test_a_believable_share_of_the_first_answers_is_late(day: Day) -> None:
    facts = [fact for fact in day.facts if isinstance(fact, ClockFact) and fact.clock == "first_response"]
    breached = sum(fact.transition == "breach" for fact in facts)
    opened = sum(fact.transition == "activate" for fact in facts)
    assert 0.01 < breached / opened < 0.25


def test_most_low_scores_are_followed_up_the_same_day(day: Day) -> None:
    tasks = {fact.ticket_id: fact for fact in day.facts if isinstance(fact, FollowUpFact)}
    low = {
        fact.ticket_id
        for fact in day.facts
        if isinstance(fact, SurveyFact) and fact.csat is not None and fact.csat <= 2
    }
    assert set(tasks) == low
    assert sum(task.status == "done" for task in tasks.values()) > len(tasks) / 2 > 0


def test_surveys_are_answered_and_scores_fall_with_the_wait(day: Day) -> None:
    surveys = [fact for fact in day.facts if isinstance(fact, SurveyFact)]
    assert len(surveys) > 20
    invited = [fact for fact in day.facts if isinstance(fact, InvitationFact) and fact.outcome == "sent"]
    assert {fact.survey_id for fact in surveys} <= {fact.survey_id for fact in invited}
    scores = [fact.csat for fact in surveys if fact.csat is not None]
    assert 3.5 < sum(scores) / len(scores) < 4.8
    assert min(scores) <= 3


def test_some_customers_come_back_and_some_say_thanks(day: Day) -> None:
    tickets = day.latest().values()
    assert 0 < sum(ticket.reopens > 0 for ticket in tickets) < 0.3 * len(tickets)
    assert sum(ticket.customer_messages > 1 for ticket in tickets) > 0.2 * len(tickets)


def test_nearly_every_contact_of_a_person_has_a_reason(day: Day) -> None:
    tagged = {fact.ticket_id for fact in day.facts if isinstance(fact, TagFact)}
    assert len(tagged) > 0.85 * len(day.latest())
    assert len({fact.tag for fact in day.facts if isinstance(fact, TagFact)}) > 20


def test_the_agents_occupancy_is_believable(day: Day) -> None:
    stretches = {(f.team, f.agent_id, f.since): f for f in day.facts if isinstance(f, PresenceFact)}
    online, busy = Counter[str](), Counter[str]()
    for fact in stretches.values():
        if fact.status == "online":
            lasted = (fact.until or START + DAY) - fact.since
            online[fact.agent_id] += lasted
            busy[fact.agent_id] += lasted if fact.busy else 0
    assert set(online.values()) == {DAY - 45 * 60 * 1_000_000}, "everybody is there but for lunch"
    shares = [busy[agent] / online[agent] for agent in online]
    assert all(0 < share < 0.9 for share in shares)
    assert 0.2 < sum(shares) / len(shares) < 0.6


def test_a_second_director_told_the_same_facts_plans_the_same(day: Day) -> None:
    told = [fact for fact in day.facts if isinstance(fact, AssignmentFact | TicketFact)]
    plans = []
    for _ in range(2):
        director = Director(7, people_of(7, CONTACTS))
        plans.append([planned for fact in told for planned in director.saw(fact)])
    assert plans[0] == plans[1]
    assert len(plans[0]) > CONTACTS
