"""Tell what happens to one customer, and see what the fold makes of it.

    story = Story(rules)
    story.message(0, text="Hello")
    story.reply(1800)
    story.clock_rows("first_response")  # ["1 activate @0", "1 fulfil @1800 after 1800"]

Times are seconds after `T0`. What is told later stands later in the log, whatever its time.
"""

from __future__ import annotations

from typing import Any

from schemas import events
from schemas.events import Event
from schemas.facts import ClockFact, ContactFact, Outbound, PaneFact, TicketFact
from schemas.identity import customer_tag, event_id, ticket_id
from stream_processors.rules.ruleset import Rules
from stream_processors.rules.surveys import Signing
from stream_processors.rules.versions import RulesetHistory
from stream_processors.tickets.processor import TicketsProcessor
from stream_processors.tickets.state import Customer, Ticket, customer_key
from tests.support.memory_worker import MemoryWorker

SECOND = 1_000_000
T0 = 1_772_442_000_000_000  # 2026-03-02T09:00:00Z, a multiple of five minutes
ANN = "email:ann@example.org"
TAG = customer_tag(ANN)


def at(seconds: float) -> int:
    return T0 + round(seconds * SECOND)


class Story:
    """Each method appends one event to the log and folds it."""

    def __init__(
        self,
        rules: Rules | RulesetHistory,
        *,
        channel: str = "email",
        customer_id: str = ANN,
        imported: bool = False,
        signing: Signing | None = None,
    ) -> None:
        self.worker = MemoryWorker(TicketsProcessor(rules, signing=signing))
        self.channel, self.customer_id, self.tag = channel, customer_id, customer_tag(customer_id)
        self.imported, self.told = imported, 0

    # -- telling ------------------------------------------------------------------------------------------------

    def base(self, seconds: float, **changes: Any) -> dict[str, Any]:
        self.told += 1
        fields = {
            "event_id": event_id("story", self.tag, str(self.told)),
            "occurred_at": at(seconds),
            "received_at": at(seconds),
            "customer_tag": self.tag,
            "channel": self.channel,
            "source": "story",
            "imported": self.imported,
        }
        return fields | changes

    def tell(self, event: Event) -> Event:
        self.worker.feed([event])
        return event

    def ticket_id(self, number: int = 1) -> str:
        return ticket_id(self.tag, number)

    def message(self, seconds: float, text: str = "Hello", **changes: Any) -> events.MessageReceived:
        fields = {"customer_id": self.customer_id, "address": self.customer_id.partition(":")[2], "text": text}
        event = events.MessageReceived(**self.base(seconds) | fields | changes)
        self.tell(event)
        return event

    def more(self, seconds: float, text: str = "Is anybody there?", number: int = 1, **changes: Any) -> Event:
        """A message that its source proved to belong to a ticket."""
        return self.message(seconds, text, ticket_ref=self.ticket_id(number), **changes)

    def call(self, seconds: float, outcome: str, **changes: Any) -> Event:
        fields = {"customer_id": self.customer_id, "address": "+15550100", "outcome": outcome}
        return self.tell(events.CallEnded(**self.base(seconds) | fields | changes))

    def about(self, kind: type[Event], seconds: float, number: int = 1, **fields: Any) -> Event:
        return self.tell(kind(**self.base(seconds) | {"ticket_id": self.ticket_id(number), "channel": ""} | fields))

    def reply(self, seconds: float, text: str = "It is on its way.", agent: str = "mei", **changes: Any) -> Event:
        return self.about(events.AgentReplied, seconds, agent_id=agent, text=text, **changes)

    def add_note(self, seconds: float) -> Event:
        return self.about(events.NoteAdded, seconds, agent_id="mei", text="Asked the carrier.")

    def status(self, seconds: float, status: str, **changes: Any) -> Event:
        return self.about(events.StatusChanged, seconds, status=status, **changes)

    def solve(self, seconds: float, **changes: Any) -> Event:
        return self.status(seconds, "solved", **changes)

    def transfer(self, seconds: float, team: str, **changes: Any) -> Event:
        return self.about(events.Transferred, seconds, to_team=team, agent_id="mei", **changes)

    def assign(self, seconds: float, agent: str, team: str = "support", **changes: Any) -> Event:
        return self.about(events.Assigned, seconds, agent_id=agent, team=team, **{"source": "routing"} | changes)

    def survey(self, seconds: float, csat: int | None = None, ces: int | None = None, **changes: Any) -> Event:
        fields = {"survey_id": "s1", "csat": csat, "ces": ces}
        return self.about(events.SurveyAnswered, seconds, **fields | changes)

    def end_chat(self, seconds: float, outcome: str = "closed", wait: float = 0.0, thread: str = "T" * 26) -> Event:
        about = {"customer_id": self.customer_id, "address": "visitor", "thread_id": thread}
        return self.tell(events.ChatEnded(**self.base(seconds) | about, outcome=outcome, wait_seconds=wait, lines=2))

    def until(self, seconds: float) -> None:
        """Let time pass: a tick for everything that becomes due."""
        self.worker.advance(at(seconds))

    def tick(self, seconds: float, noticed: float | None = None) -> Event:
        fields = self.base(seconds, received_at=at(seconds if noticed is None else noticed), imported=False)
        return self.tell(events.Tick(**fields | {"channel": "", "state_key": customer_key(self.tag)}))

    # -- seeing -------------------------------------------------------------------------------------------------

    @property
    def customer(self) -> Customer:
        state = self.worker.state(customer_key(self.tag))
        assert isinstance(state, Customer)
        return state

    def ticket(self, number: int = 1) -> Ticket:
        return next(ticket for ticket in self.customer.tickets if ticket.number == number)

    def all(self, *kinds: type) -> list[Any]:
        return self.worker.records(*kinds)

    def last(self, kind: type) -> Any:
        return self.all(kind)[-1]

    def ticket_fact(self, number: int = 1) -> TicketFact:
        return [fact for fact in self.all(TicketFact) if fact.ticket_id == self.ticket_id(number)][-1]

    def contact_facts(self) -> list[ContactFact]:
        return self.all(ContactFact)

    def replies(self) -> list[Outbound]:
        return [outbound for outbound in self.all(Outbound) if outbound.kind == "reply"]

    def routing(self) -> list[str]:
        """What the router was told: `queue support`, `busy support mei`, ..."""
        updates = self.all(events.RoutingUpdate)
        return [" ".join(filter(None, (each.action, each.team, each.agent_id))) for each in updates]

    def refused(self) -> list[tuple[str, str]]:
        """(step, reason) of every dead letter."""
        return [(stage, reason) for _, stage, reason, _ in self.worker.dead_letters]

    def clock_rows(self, clock: str, number: int = 1) -> list[str]:
        """The ledger of one clock: `[episode/]instance transition @at [after elapsed]`, in seconds."""
        rows = []
        for fact in self.all(ClockFact):
            if fact.clock == clock and fact.ticket_id == self.ticket_id(number):
                where = f"{fact.episode}/{fact.instance}" if fact.episode > 1 else str(fact.instance)
                after = "" if fact.elapsed_seconds is None else f" after {fact.elapsed_seconds:g}"
                rows.append(f"{where} {fact.transition} @{(fact.at - T0) / SECOND:g}{after}")
        return rows

    def panes(self) -> list[PaneFact]:
        """The panes as they are now: the newest fact of each."""
        newest: dict[tuple[Any, ...], PaneFact] = {}
        for pane in self.all(PaneFact):
            newest[pane.part, pane.start, pane.channel, pane.team, pane.priority, pane.policy] = pane
        return list(newest.values())

    def total(self, measure: str) -> float:
        """One measure over all panes."""
        return sum(getattr(pane, measure) for pane in self.panes())
