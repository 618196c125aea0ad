"""A ticket that goes from team to team has one owner at any moment, whoever is killed and in whatever order logs are read (ADR 47).

Two partitions of tickets and one of routing per team are folded in any order. Workers are killed between any two writes, so
records are written twice; what one partition writes for two others arrives there in any order. Customers are merged meanwhile. At
the end the routers agree with the tickets, and nobody waits while somebody is free.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import codec, events
from schemas.events import Event
from schemas.facts import AssignmentFact
from schemas.identity import customer_tag, event_id, ticket_id
from schemas.topics import CONTACT_EVENTS, ROUTING
from stream_processors.routing.processor import RoutingProcessor
from stream_processors.rules import ruleset
from stream_processors.tickets.processor import TicketsProcessor
from stream_processors.tickets.state import Customer, Ticket
from tests.support.memory_worker import Crashed, MemoryWorker, Written
from tests.support.tickets.story import at

TEAMS = ("support", "returns")
CUSTOMERS = ("email:ann@example.org", "tel:+15550100")
AGENTS = {"support": ("mei",), "returns": ("joe",)}
#: Reasons of assignments that the router makes; it makes none of a ticket that somebody has.
BY_ROUTER = ("least_open", "previous_agent")


class Desk:
    """Two partitions of tickets, one of routing per team, and what one writes for the other."""

    def __init__(self) -> None:
        rules = ruleset.load()
        self.tickets = [MemoryWorker(TicketsProcessor(rules), partition) for partition in range(2)]
        self.routing = {team: MemoryWorker(RoutingProcessor(), number) for number, team in enumerate(TEAMS)}
        self.workers = [*self.tickets, *self.routing.values()]
        self._sent = [0] * len(self.workers)
        self._under_way: dict[tuple[int, int], list[Written]] = defaultdict(list)
        self.told = 0

    def tell(self, kind: type[Event], **fields: Any) -> None:
        self.told += 1
        base = {
            "event_id": event_id("desk", str(self.told)),
            "occurred_at": at(self.told),
            "received_at": at(self.told),
        }
        event = kind(**base, **fields)
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
        everywhere = frozenset(range(len(self.workers)))
        for _ in range(500):
            waiting = [number for number, each in enumerate(self.workers) if each.committed < len(each.log)]
            if not waiting and not any(self._under_way.values()):
                return
            self.step(waiting[0] if waiting else 0, 500, None, everywhere)
        raise AssertionError("the ticket and the router never agree")

    def _of(self, event: Any) -> MemoryWorker:
        if isinstance(event, events.RoutingUpdate | events.PresenceChanged):
            return self.routing[event.team]
        return self.tickets[sum(event.customer_tag.encode()) % 2]


def tell(desk: Desk, what: tuple[str, str, str, str]) -> None:
    """Appends one event about a customer's first ticket, or about an agent."""
    kind, who, team, agent = what
    tag = customer_tag(who)
    about = {"customer_tag": tag, "ticket_id": ticket_id(tag, 1)}
    if kind == "message":
        fields = {"channel": "email", "customer_id": who, "address": who.partition(":")[2], "text": "Hello"}
        desk.tell(events.MessageReceived, **fields, customer_tag=tag, ticket_ref=ticket_id(tag, 1))
    elif kind == "transfer":
        desk.tell(events.Transferred, **about, to_team=team, agent_id="boss")
    elif kind == "reply":
        desk.tell(events.AgentReplied, **about, agent_id=agent, text="Here it is.")
    elif kind == "solve":
        desk.tell(events.StatusChanged, **about, status="solved", agent_id=agent)
    elif kind == "give":
        desk.tell(events.AssignmentChanged, **about, agent_id="boss", to_agent=agent)
    elif kind == "back":
        desk.tell(events.AssignmentChanged, **about, agent_id="boss")
    elif kind == "priority":
        desk.tell(events.PriorityChanged, **about, agent_id="boss", priority="high")
    elif kind == "merge":
        into = CUSTOMERS[CUSTOMERS.index(who) - 1]
        fields = {"from_customer_id": who, "into_customer_id": into, "agent_id": "boss"}
        desk.tell(events.CustomersMerged, customer_tag=tag, **fields)
    elif kind == "overflow":
        desk.tell(events.Overflowed, **about, team=team, to_team="support", source="routing", answers="0.0")
    else:
        on = "online" if kind == "online" else "offline"
        team = next(team for team, agents in AGENTS.items() if agent in agents)
        desk.tell(
            events.PresenceChanged, customer_tag="", agent_id=agent, team=team, status=on, capacity={"default": 1}
        )


#: What brings moves and answers under way together comes most.
kinds = [*["transfer"] * 4, *["online", "offline", "back"] * 2]
kinds += ["message", "reply", "solve", "give", "priority", "overflow", "merge"]
said = st.tuples(
    st.sampled_from(kinds), st.sampled_from(CUSTOMERS), st.sampled_from(TEAMS), st.sampled_from(["mei", "joe"])
)
arrivals = st.frozensets(st.integers(0, 3))
steps = st.tuples(st.integers(0, 3), st.integers(1, 4), st.none() | st.integers(0, 12), arrivals)
schedules = st.lists(st.one_of(said, said, steps, steps), min_size=5, max_size=60)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(schedules)
def test_a_ticket_has_one_owner_and_routers_agree_in_the_end(schedule: list[Any]) -> None:
    desk = Desk()
    for agents in AGENTS.values():
        for agent in agents:
            tell(desk, ("online", CUSTOMERS[0], "support", agent))
    for who in CUSTOMERS:
        tell(desk, ("message", who, "support", "mei"))
    for each in schedule:
        if isinstance(each[0], str):
            tell(desk, each)
        else:
            desk.step(*each)
    desk.settle()
    _nobody_is_given_what_somebody_has(desk)
    _routers_agree(desk)


def _nobody_is_given_what_somebody_has(desk: Desk) -> None:
    """Follows the newest facts of each ticket: the router gives away only what nobody had."""
    for worker in desk.tickets:
        facts = {(fact.ticket_id, fact.version): fact for fact in worker.records(AssignmentFact)}
        owner: dict[str, str] = defaultdict(str)
        changes = {
            (fact.ticket_id, fact.version): fact for fact in worker.records() if type(fact).__name__ == "TicketFact"
        }
        for (ticket, version), fact in sorted(changes.items(), key=lambda each: each[0][1]):
            given_away = facts.get((ticket, version))
            if given_away is not None and given_away.reason in BY_ROUTER and fact.status != "solved":
                assert owner[ticket] == "", f"{ticket} was {owner[ticket]}'s when {given_away.agent_id} was given it"
            owner[ticket] = fact.assignee_id


def _routers_agree(desk: Desk) -> None:
    """Compares what routers hold with the tickets: one entry in the ticket's team, with its agent; none of others."""
    entries: dict[str, list[tuple[str, str]]] = defaultdict(list)
    held: dict[tuple[str, str], int] = defaultdict(int)
    for team, worker in desk.routing.items():
        for key, entry in worker.states(b"i"):
            ticket = key.split(b"\0", 1)[1].decode()
            entries[ticket].append((team, entry.agent))
            held[team, entry.agent] += 1
    tickets: dict[str, Ticket] = {}
    for worker in desk.tickets:
        for key, customer in worker.states(b"c"):
            assert isinstance(customer, Customer)
            tickets |= {each.id_at(key[1:].decode()): each for each in customer.tickets}
    for name, ticket in tickets.items():
        wanted = [(ticket.team, ticket.assignee)] if ticket.status in ("new", "open") else []
        assert entries.pop(name, []) == wanted, f"{name} is {ticket.status}"
        if wanted and not ticket.assignee:
            for agent in AGENTS[ticket.team]:
                state = desk.routing[ticket.team].state(b"t" + ticket.team.encode())
                is_free = state.agents[agent].status == "online" and not held[ticket.team, agent]
                assert not is_free, f"{name} waits while {agent} is free"
    assert not entries
