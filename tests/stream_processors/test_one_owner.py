"""A ticket that goes from team to team has one owner at any moment, whoever is killed and in whatever order logs are read (ADR 47).

Two partitions of tickets and one of routing per team are folded in any order. Workers are killed between any two writes, so
records are written twice; what one partition writes for two others arrives there in any order. Customers are merged meanwhile. At
the end the routers agree with the tickets, and nobody waits while somebody is free.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import events
from schemas.facts import AssignmentFact
from schemas.identity import customer_tag, ticket_id
from stream_processors.rules import ruleset
from tests.support.routing.partitions import Partitions

RULES = ruleset.load()
TEAMS = ("support", "returns")
CUSTOMERS = ("email:ann@example.org", "tel:+15550100")
AGENTS = {"support": ("mei",), "returns": ("joe",)}
#: Reasons of assignments that the router makes; it makes none of a ticket that somebody has.
BY_ROUTER = ("least_open", "previous_agent")


def tell(desk: Partitions, what: tuple[str, str, str, str]) -> None:
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
    elif kind in ("accepted", "declined"):
        desk.tell(events.OfferAnswered, **about, agent_id=agent, outcome=kind)
    elif kind == "offers":
        accept = {"default": 5} if agent == "mei" else {}
        fields = {"number": desk.told, "content": str(desk.told), "accept_seconds": accept, "limits": {"default": 1}}
        desk.tell(events.TeamConfigured, customer_tag="", team=team, fallback="", **fields)
    elif kind == "time":
        desk.time_passes(6)
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
kinds += [*["accepted"] * 4, *["time"] * 3, "declined", "declined", "offers"]
said = st.tuples(
    st.sampled_from(kinds), st.sampled_from(CUSTOMERS), st.sampled_from(TEAMS), st.sampled_from(["mei", "joe"])
)
arrivals = st.frozensets(st.integers(0, 3))
steps = st.tuples(st.integers(0, 3), st.integers(1, 4), st.none() | st.integers(0, 12), arrivals)
schedules = st.lists(st.one_of(said, said, steps, steps), min_size=5, max_size=60)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(schedules)
def test_a_ticket_has_one_owner_and_routers_agree_in_the_end(schedule: list[Any]) -> None:
    desk = Partitions(RULES, TEAMS)
    tell(desk, ("offers", CUSTOMERS[0], "support", "mei"))
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


def _nobody_is_given_what_somebody_has(desk: Partitions) -> None:
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


def _routers_agree(desk: Partitions) -> None:
    """Compares what routers hold with the tickets: one entry in the ticket's team, with its agent; none of others."""
    tickets, entries = desk.held(), desk.entries()
    taken = {(team, entry.agent) for found in entries.values() for team, entry in found}
    for name, ticket in tickets.items():
        found = [(team, "" if entry.offered else entry.agent) for team, entry in entries.get(name, [])]
        wanted = [(ticket.team, ticket.assignee)] if ticket.status in ("new", "open") else []
        assert found == wanted, f"{name} is {ticket.status}"
        offer = ticket.routing.offer
        offered = [entry.agent for _, entry in entries.pop(name, []) if entry.offered]
        assert offered == ([offer.agent] if offer is not None and offer.outcome == "open" else [])
        if wanted and not ticket.assignee and not offered:
            for agent in AGENTS[ticket.team]:
                state = desk.routing[ticket.team].state(b"t" + ticket.team.encode())
                is_free = state.agents[agent].status == "online" and (ticket.team, agent) not in taken
                assert not is_free, f"{name} waits while {agent} is free"
    assert not entries
