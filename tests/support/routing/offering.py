"""Plays the agents to whom the router offers tickets: most accept, some decline, some do nothing, some answer too late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.events import OfferAnswered, Offered, PresenceChanged
from tests.support.routing.world import MINUTE, Ticket

if TYPE_CHECKING:
    from tests.support.routing.simulation import Desk

#: The shares of offers that are accepted and declined; nobody answers the others.
ACCEPTED, DECLINED = 0.7, 0.1
#: So many offers in a row does an agent miss before they are away.
MOST_MISSED = 3


class Offering:
    """Holds to whom which ticket is offered; a place is kept free for it, and it waits on."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._open: dict[str, tuple[str, int]] = {}
        self._missed: dict[str, int] = {}

    def offered(self, record: Offered) -> None:
        """The router offers a ticket; its partition takes that for granted, for one log is never late."""
        desk, ticket = self._desk, self._desk.tickets[record.ticket_id]
        assert record.answers == ticket.ref and record.team == ticket.team
        assert not ticket.agent and ticket.waits and ticket.id not in self._open, "no ticket has two owners"
        if desk.checks:
            desk.judge.assignment(ticket, record.agent_id)
        desk.unwait(ticket)
        desk.hands.setdefault(record.agent_id, {})[ticket.id] = ticket
        number = desk.number()
        self._open[ticket.id] = record.agent_id, number
        desk.found.count("offered")
        fate, lasts = desk.random.random(), record.expires_at - desk.now
        at = desk.now + round(lasts * desk.random.uniform(0.05, 0.95))
        if fate < ACCEPTED:
            desk.later(at, lambda: self._accept(ticket, record.agent_id, number))
        elif fate < ACCEPTED + DECLINED:
            desk.later(at, lambda: self._decline(ticket, record.agent_id, number))

    def ended(self, record: OfferAnswered) -> None:
        """The router takes an offer back that nobody accepted."""
        ticket = self._desk.tickets[record.ticket_id]
        agent, _ = self._open.pop(ticket.id)
        assert agent == record.agent_id
        if record.outcome == "missed":
            self._missed[agent] = self._missed.get(agent, 0) + 1
            assert self._missed[agent] <= MOST_MISSED
        self._waits_again(ticket, agent)
        self._desk.found.count(record.outcome)

    def reported(self, agent: str, status: str) -> None:
        """A report of something else than online, or of who was taken to be gone, forgets what was missed."""
        if status != "online" or self._desk.people[agent].status == "offline":
            self._missed[agent] = 0

    def set_away(self, record: PresenceChanged) -> None:
        """An agent comes back after they missed too many; their program goes on reporting them meanwhile."""
        if record.reason != "missed_offers" or record.status != "away":
            return
        desk, person = self._desk, self._desk.people[record.agent_id]
        if self._missed.get(person.name, 0) < MOST_MISSED:
            return  # said again, for a report contradicted it
        self._missed[person.name] = 0
        desk.found.count("set away")
        desk.later(desk.now + desk.random.randrange(5 * MINUTE, 30 * MINUTE), lambda: desk.staff.comes_back(person))

    def _is_open(self, ticket: Ticket, agent: str, number: int) -> bool:
        return self._open.get(ticket.id) == (agent, number) and self._desk.people[agent].here

    def _accept(self, ticket: Ticket, agent: str, number: int) -> None:
        if self._is_open(ticket, agent, number):
            del self._open[ticket.id]
            self._missed[agent] = 0
            self._desk.accepted(ticket, agent)

    def _decline(self, ticket: Ticket, agent: str, number: int) -> None:
        if self._is_open(ticket, agent, number):
            del self._open[ticket.id]
            self._missed[agent] = 0
            self._desk.found.count("declined")
            self._waits_again(ticket, agent)
            self._desk.tell(ticket, "declined", agent_id=agent)

    def _waits_again(self, ticket: Ticket, agent: str) -> None:
        del self._desk.hands[agent][ticket.id]
        ticket.since = self._desk.now
        self._desk.wait(ticket)
