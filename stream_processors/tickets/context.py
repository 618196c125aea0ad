"""A turn: one event on its way through the steps.

A step is `def step(turn: Turn) -> Turn`, pure, in a file of its own. It reads the event, the customer and the
ticket and returns a changed copy, with the facts it concluded appended to `outputs` and what later steps should
know appended to `happened`. `now` is the time of the event on the log's axis, never the wall clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from schemas.events import Event, MessageReceived
from stream_processors.runtime.processor import Output, Position
from stream_processors.tickets.state import Clock, Customer, Ticket

if TYPE_CHECKING:
    from stream_processors.rules.calendars import Calendar
    from stream_processors.rules.policies import Policy
    from stream_processors.rules.ruleset import Rules
    from stream_processors.rules.surveys import Signing
    from stream_processors.rules.versions import RulesetHistory


class Observation(msgspec.Struct, frozen=True):
    """`ticket` is the ticket as it was then, for the dimensions; None when there is none.

    `within` is for `first_response`: it came within its target.
    """

    name: str
    at: int
    ticket: Ticket | None = None
    detail: float = 0.0
    within: bool = False


class FoldContext(msgspec.Struct, frozen=True):
    """One event between two states of its customer. `ticket` is None for events that belong to no ticket.

    rules       those in force for this event
    before      the customer as this event found them
    replied_at  when a person answered the customer publicly, if this event says so
    forwarded   the event belongs to another customer tag and was written there: nothing is concluded here
    book        all editions of the rules, for what began under an earlier one
    signing     what survey links are signed with; None when this worker has no secret
    """

    event: Event
    now: int
    position: Position
    customer: Customer
    rules: Rules
    ticket: Ticket | None = None
    opened: bool = False
    reopened: bool = False
    outputs: tuple[Output, ...] = ()
    observed: tuple[Observation, ...] = ()
    before: Customer = Customer()
    replied_at: int | None = None
    forwarded: bool = False
    book: RulesetHistory | None = None
    signing: Signing | None = None

    def replace(self, **changes: Any) -> FoldContext:
        """A copy with these fields changed."""
        return msgspec.structs.replace(self, **changes)

    def on_ticket(self, **changes: Any) -> FoldContext:
        """A copy whose ticket has these fields changed."""
        assert self.ticket is not None, "a turn without a ticket has nothing to change"
        return msgspec.structs.replace(self, ticket=msgspec.structs.replace(self.ticket, **changes))

    def write(self, *records: msgspec.Struct) -> FoldContext:
        """A copy with these records appended to the outputs, keyed as the event is."""
        return msgspec.structs.replace(self, outputs=self.outputs + tuple(Output(record) for record in records))

    def observe(self, name: str, *, at: int | None = None, detail: float = 0.0, within: bool = False) -> FoldContext:
        """A copy that tells later steps what happened."""
        observation = Observation(name, self.now if at is None else at, self.ticket, detail, within)
        return msgspec.structs.replace(self, observed=(*self.observed, observation))

    @property
    def ticket_id(self) -> str:
        return self.ticket.id_at(self.event.customer_tag) if self.ticket else ""

    @property
    def team(self) -> str:
        """The team that has the ticket, or that it will go to: the owner of its tags, else the fallback."""
        ticket = self.ticket
        if ticket is None:
            return ""
        return ticket.team or self.rules.teams.choose(self.rules.taxonomy.owner(ticket.tags), ticket.language)

    @property
    def policy(self) -> Policy:
        """The policy that fits the ticket as it is now. Only for a turn with a ticket."""
        assert self.ticket is not None
        return self._policy_on(self.ticket.channel)

    @property
    def policy_of_event(self) -> Policy:
        """The policy for what this event starts: a mail on a ticket that began as a chat is owed an answer as mails are."""
        event, ticket = self.event, self.ticket
        assert ticket is not None
        wrote_elsewhere = isinstance(event, MessageReceived) and event.channel not in ("", ticket.channel)
        return self._policy_on(event.channel) if wrote_elsewhere else self.policy

    def _policy_on(self, channel: str) -> Policy:
        ticket = self.ticket
        assert ticket is not None
        return self.rules.policies.match(
            channel, ticket.priority, ticket.tags, self.customer.tier, self.team, ticket.language
        )

    def calendar_of(self, clock: Clock) -> Calendar | None:
        """The calendar that a clock started with, whatever later rules made of it; None for calendar time.

        A clock from before rules had editions gets the calendar of that name in today's rules, or None.
        """
        return self._calendar(clock.calendar, clock.policy_version)

    def measured_in(self, ticket: Ticket) -> Calendar | None:
        """The calendar whose working time the ticket's measures count: that of the policy with which it opened."""
        return self._calendar(ticket.calendar, ticket.calendar_version)

    def _calendar(self, name: str, policy_version: str) -> Calendar | None:
        if not name:
            return None
        started_with = self.book.calendar(name, policy_version) if self.book is not None else None
        return started_with or self.rules.calendars.calendars.get(name)

    @property
    def base(self) -> dict[str, Any]:
        """The four fields that every fact carries; those about the ticket have its versions."""
        offset, ticket = self.position.offset, self.ticket
        return {
            "customer_tag": self.event.customer_tag,
            "version": offset if ticket is None else ticket.version_at(offset),
            "partition": self.position.partition,
            "at": self.now,
        }
