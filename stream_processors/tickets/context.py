"""Holds the context of a fold: one event on its way through the steps.

A step is `def step(context: FoldContext) -> FoldContext`, pure, in a file of its own. It reads the event, the customer and
the ticket and returns a changed copy. Facts that it concludes are appended to `outputs`, and what later steps should know
to `observed`. `now` is the time of the event on the log's axis, never the wall clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from schemas.events import Event, MessageReceived, OrderPlaced
from stream_processors.runtime.processor import Count, Output, Position, Reader, State
from stream_processors.tickets.observations import Observation
from stream_processors.tickets.state import Clock, Customer, Episode, Ticket

if TYPE_CHECKING:
    from schemas.brands import Brand
    from schemas.calendars import Calendar
    from stream_processors.rules.policies import Policy
    from stream_processors.rules.ruleset import Rules
    from stream_processors.rules.surveys import Signing
    from stream_processors.rules.taxonomy import Reading
    from stream_processors.rules.teams import Decision
    from stream_processors.rules.versions import RulesetHistory

__all__ = ["NOTHING_STORED", "FoldContext"]

replace = msgspec.structs.replace


class _NothingStored:
    """Reads as a store in which nothing is."""

    def get(self, key: bytes) -> None:
        return None

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, Any]]:
        return iter(())


NOTHING_STORED = _NothingStored()


class FoldContext(msgspec.Struct, frozen=True, gc=False):
    """Holds one event between two states of its customer. `ticket` is None for events that belong to no ticket.

    rules          those in force for this event
    before         the customer as this event found them
    ticket_before  the ticket as this event found it, None for one that it opens
    observed       what the steps so far tell the later ones
    replied_at     when a person answered the customer publicly, if this event says so
    forwarded      the event belongs to another customer tag and was written there: nothing is concluded here
    third_party    its sender takes no part in the ticket: it is recorded there and changes nothing
    reading        what the words of this contact say by themselves
    ruleset_history  all versions of the rules, for what began under an earlier one
    signing        what survey links are signed with; None when this worker has no secret
    read           the states of the partition, for the windows
    panes          those that this event changes, and queues, by key
    counts         what it adds to counters
    """

    event: Event
    now: int
    position: Position
    customer: Customer
    rules: Rules
    ticket: Ticket | None = None
    ticket_before: Ticket | None = None
    opened: bool = False
    reopened: bool = False
    outputs: tuple[Output, ...] = ()
    observed: tuple[Observation, ...] = ()
    before: Customer = Customer()
    replied_at: int | None = None
    forwarded: bool = False
    third_party: bool = False
    reading: Reading | None = None
    ruleset_history: RulesetHistory | None = None
    signing: Signing | None = None
    read: Reader = NOTHING_STORED
    panes: Mapping[bytes, State] = {}
    counts: tuple[Count, ...] = ()

    # -- changed copies -----------------------------------------------------------------------------------------------

    def replace(self, **changes: Any) -> FoldContext:
        """Returns a copy with these fields changed."""
        return replace(self, **changes)

    def with_ticket(self, ticket: Ticket | None, **changes: Any) -> FoldContext:
        """Returns a copy that is about this ticket of the customer."""
        before = None if ticket is None else self.before.ticket(ticket.number)
        return replace(self, ticket=ticket, ticket_before=before, **changes)

    def on_ticket(self, **changes: Any) -> FoldContext:
        """Returns a copy whose ticket has these fields changed."""
        assert self.ticket is not None, "a fold without a ticket has nothing to change"
        return replace(self, ticket=replace(self.ticket, **changes))

    def write(self, *records: msgspec.Struct) -> FoldContext:
        """Returns a copy with these records appended to the outputs, keyed as the event is."""
        return replace(self, outputs=(*self.outputs, *map(Output, records)))

    def send(self, *outputs: Output) -> FoldContext:
        """Returns a copy with these outputs appended, which have keys of their own."""
        return replace(self, outputs=(*self.outputs, *outputs))

    def with_order(self, order: OrderPlaced) -> FoldContext:
        """Returns a copy whose customer has one more order."""
        return replace(self, customer=self.customer.with_order(order.order_number, order.amount))

    def observe(self, kind: type[Observation], *values: Any, at: int | None = None) -> FoldContext:
        """Returns a copy that tells the later steps of something, now if not at another time."""
        observation = kind(self.now if at is None else at, self.ticket, *values)
        return replace(self, observed=(*self.observed, observation))

    def has_observed(self, kind: type[Observation]) -> bool:
        """Returns true when an earlier step has observed something of this kind."""
        return any(type(each) is kind for each in self.observed)

    # -- the ticket ---------------------------------------------------------------------------------------------------

    @property
    def ticket_id(self) -> str:
        """Returns the id of the ticket, '' without one."""
        return self.ticket.id_at(self.event.customer_tag) if self.ticket is not None else ""

    @property
    def team(self) -> str:
        """Returns the team that has the ticket, or that it will go to: the owner of its tags, else the fallback."""
        ticket = self.ticket
        if ticket is None:
            return ""
        return ticket.team or self.decision.team

    @property
    def decision(self) -> Decision:
        """Returns the team that the rules choose for the ticket as it is now. Only for a fold with a ticket."""
        ticket, teams = self.ticket, self.rules.teams
        assert ticket is not None
        return teams.decide(
            self.rules.taxonomy.owner(ticket.tags),
            ticket.language,
            tier=self.customer.tier,
            channel=ticket.channel,
            brand=self.rules.brands.slug_of(ticket.brand),
            order_value=self.customer.order_value(ticket.request.order_number) if teams.needs_order_value else 0,
            now=None if ticket.imported else self.now,
        )

    @property
    def brand_of_event(self) -> str:
        """Returns the slug of the brand that the event came to; that of the default brand where it names none that we know."""
        brands = self.rules.brands
        return brands.slug_of(getattr(self.event, "brand", "")) if brands.brands else ""

    @property
    def brand(self) -> Brand:
        """Returns the brand that speaks to the customer here: that of the ticket, if there is one."""
        ticket = self.ticket
        return self.rules.brands.get(self.brand_of_event if ticket is None else ticket.brand)

    @property
    def policy(self) -> Policy:
        """Returns the policy that fits the ticket as it is now. Only for a fold with a ticket."""
        assert self.ticket is not None
        return self.policy_on(self.ticket.channel, self.team)

    @property
    def channel_of_event(self) -> str:
        """Returns the channel whose policy holds for what this event starts: a mail on a ticket that began as a chat is no chat."""
        event, ticket = self.event, self.ticket
        assert ticket is not None
        return event.channel if type(event) is MessageReceived and event.channel else ticket.channel

    def policy_on(self, channel: str, team: str) -> Policy:
        """Returns the policy that fits the ticket on this channel, in the hands of this team."""
        ticket = self.ticket
        assert ticket is not None
        return self.rules.policies.match(
            channel,
            ticket.priority,
            ticket.tags,
            self.customer.tier,
            team,
            ticket.language,
            self.rules.brands.slug_of(ticket.brand),
        )

    def calendar_of(self, clock: Clock) -> Calendar | None:
        """Returns the calendar that a clock started with, whatever later rules made of it; None for calendar time.

        A clock from before rules had versions gets the calendar of that name in today's rules, or None.
        """
        return self._calendar(clock.terms.calendar, clock.terms.policy_version) if clock.terms.calendar else None

    def measured_in(self, ticket: Ticket) -> Calendar | None:
        """Returns the calendar whose working time the ticket's measures count: that of the policy with which it opened."""
        return self._calendar(ticket.sla.calendar, ticket.sla.calendar_version) if ticket.sla.calendar else None

    def _calendar(self, name: str, policy_version: str) -> Calendar | None:
        history = self.ruleset_history
        started_with = None if history is None else history.calendar(name, policy_version)
        return started_with or self.rules.calendars.calendars.get(name)

    # -- facts --------------------------------------------------------------------------------------------------------

    def fact_header(self, about: Ticket | Episode | None = None) -> dict[str, Any]:
        """Returns the fields that every fact of a customer carries; one about a ticket or an episode has its versions and brand."""
        offset = self.position.offset
        return {
            "customer_tag": self.event.customer_tag,
            "version": offset if about is None else about.version_at(offset),
            "partition": self.position.partition,
            "at": self.now,
            "brand": self.brand_of_event if about is None else about.brand,
        }

    @property
    def base(self) -> dict[str, Any]:
        """Returns the header of a fact about the ticket, if there is one."""
        return self.fact_header(self.ticket)
