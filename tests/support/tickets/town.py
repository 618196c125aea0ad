"""Several customers in several partitions, who are merged and split; the town shows where their tickets are."""

from __future__ import annotations

from typing import Any

from schemas import events
from schemas.events import Event
from schemas.facts import TicketFact
from schemas.identity import customer_tag, event_id, ticket_id
from stream_processors.rules.ruleset import Rules
from stream_processors.tickets.processor import TicketsProcessor
from stream_processors.tickets.state import Customer, Ticket, customer_key
from tests.support.memory_worker import MemoryCluster
from tests.support.tickets.story import at

ANN, BOB, CAT, DAN = "email:ann@example.org", "tel:+15550100", "ext:4711", "email:dan@example.org"
PEOPLE = (ANN, BOB, CAT, DAN)
PARTITIONS = 3


class Town:
    """Several customers over several partitions. Methods append; `town.settle()` folds, or a random schedule does."""

    def __init__(self, rules: Rules, partitions: int = PARTITIONS) -> None:
        self.cluster = MemoryCluster(lambda: TicketsProcessor(rules), partitions)
        self.told = 0
        self.appended: list[Event] = []

    def tell(self, event: Event) -> None:
        self.appended.append(event)
        self.cluster.append([event])

    def base(self, seconds: float, tag: str) -> dict[str, Any]:
        self.told += 1
        return {
            "event_id": event_id("town", str(self.told)),
            "occurred_at": at(seconds),
            "received_at": at(seconds),
            "customer_tag": tag,
        }

    def message(self, seconds: float, who: str, ticket: str = "", text: str = "Hello", **fields: Any) -> Event:
        tag = ticket.partition("-")[0] if ticket else customer_tag(who)
        address = who.partition(":")[2]
        event = events.MessageReceived(
            **self.base(seconds, tag) | {"channel": "email", "customer_id": who, "address": address, "text": text,
                                         "ticket_ref": ticket} | fields
        )  # fmt: skip
        self.tell(event)
        return event

    def about(self, kind: type[Event], seconds: float, ticket: str, **fields: Any) -> Event:
        event = kind(**self.base(seconds, ticket.partition("-")[0]) | {"ticket_id": ticket} | fields)
        self.tell(event)
        return event

    def reply(self, seconds: float, ticket: str, **fields: Any) -> Event:
        return self.about(events.AgentReplied, seconds, ticket, agent_id="mei", text="Here it is.", **fields)

    def status(self, seconds: float, ticket: str, status: str) -> Event:
        return self.about(events.StatusChanged, seconds, ticket, status=status)

    def merge(self, seconds: float, who: str, into: str) -> Event:
        base = self.base(seconds, customer_tag(who))
        event = events.CustomersMerged(**base, from_customer_id=who, into_customer_id=into, agent_id="mei")
        self.tell(event)
        return event

    def split(self, seconds: float, who: str, to: str, *tickets: str) -> Event:
        base = self.base(seconds, customer_tag(who))
        event = events.CustomersSplit(**base, customer_id=who, to_customer_id=to, ticket_ids=[*tickets], agent_id="mei")
        self.tell(event)
        return event

    def settle(self) -> Town:
        self.cluster.settle()
        return self

    # -- seeing -------------------------------------------------------------------------------------------------

    def customer(self, who: str) -> Customer:
        return self.customer_by(customer_tag(who))

    def customer_by(self, tag: str) -> Customer:
        state = self.cluster.state(customer_key(tag))
        return state if isinstance(state, Customer) else Customer()

    def tickets(self, who: str) -> dict[str, Ticket]:
        return {each.id_at(customer_tag(who)): each for each in self.customer(who).tickets}

    def held(self) -> list[tuple[str, Ticket]]:
        """Every ticket of everybody, under its id."""
        found = []
        for key, customer in self.cluster.states(b"c"):
            found += [(ticket.id_at(key[1:].decode()), ticket) for ticket in customer.tickets]
        return found

    def facts(self, *kinds: type) -> list[Any]:
        return self.cluster.records(*kinds)

    def last(self, ticket: str) -> TicketFact:
        """The ticket as analysts see it: its fact with the highest version."""
        return max((fact for fact in self.facts(TicketFact) if fact.ticket_id == ticket), key=lambda fact: fact.version)


def first(who: str, number: int = 1) -> str:
    return ticket_id(customer_tag(who), number)
