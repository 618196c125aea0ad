"""Holds what the tickets aggregate remembers: customers with their tickets, and panes of rolling metrics.

Everything is frozen: a step returns a changed copy (`msgspec.structs.replace`), so a record that fails leaves
nothing half changed. Times are micros UTC. Fields have short encodings through `array_like`: append new fields
at the end, with defaults, raise the `VERSION` of the state they are in (a test asks), and never reorder (or write `upgrade`).
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from schemas.identity import customer_tag, seals
from stream_processors.runtime.processor import State
from stream_processors.tickets import older_states
from stream_processors.tickets.ticket_state import (
    Adopted,
    Automated,
    Clock,
    ClockCharges,
    ClockShare,
    ClockTerms,
    Milestones,
    NextResponseTotals,
    Promise,
    StatusChange,
    Ticket,
    TicketConversation,
    TicketCounts,
    TicketRequest,
    TicketRouting,
    TicketSla,
    TicketSurvey,
    TimeInStatus,
)

__all__ = [
    "MOST_OPTED_OUT",
    "Adopted",
    "Automated",
    "Clock",
    "ClockCharges",
    "ClockShare",
    "ClockTerms",
    "Customer",
    "Episode",
    "EpisodeAnswers",
    "FollowUp",
    "Invitation",
    "MergeHistory",
    "MergedInto",
    "Milestones",
    "MovedTicket",
    "NextResponseTotals",
    "Pane",
    "Promise",
    "SentAcknowledgement",
    "StatusChange",
    "Survey",
    "Ticket",
    "TicketConversation",
    "TicketCounts",
    "TicketRequest",
    "TicketRouting",
    "TicketSla",
    "TicketSurvey",
    "TimeInStatus",
    "customer_key",
]

#: Addresses that a customer may have stopped; far more than anybody has.
MOST_OPTED_OUT = 100
#: Orders of a customer whose value is remembered.
KEPT_ORDERS = 5
_SEAL = "#"


class Survey(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds the answers to one survey: `answers` of anybody, the rest of people. Times are those of the score that stands."""

    answers: int = 0
    first_csat: int | None = None
    first_ces: int | None = None
    csat: int | None = None
    ces: int | None = None
    csat_at: int = 0
    ces_at: int = 0
    answered: bool = False
    thanked: bool = False


class FollowUp(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds who looks after a low score; `agent` '' while it waits in the queue. The comment is kept while it is open."""

    opened_at: int
    survey_id: str
    agent: str = ""
    comment: str = ""
    done: bool = False


class EpisodeAnswers(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Counts the public answers that an episode took.

    replies_until   public replies of the whole ticket up to here
    answers_until   the same, with a chat as one, whatever its lines
    public_answers  those of this episode
    """

    replies_until: int = 0
    answers_until: int = 0
    public_answers: int = 0


class Invitation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds what was decided about asking for a survey.

    asked      it was decided to invite or not
    invite_at  when that is due, None when nothing is
    invited    an invitation was sent
    """

    asked: bool = False
    invite_at: int | None = None
    invited: bool = False


class Episode(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds one time that a ticket was solved, for as long as something may come of it (ADR 0016); it outlives the ticket.

    solved_at       None for a chat that was asked about before it was solved, or an answer to a survey before a solve
    decide_at       when `fcr` is decided at the latest; `fcr` None while it is not
    version_offset  as the ticket's, which may be gone
    """

    ticket_id: str
    number: int
    channel: str
    team: str = ""
    agent: str = ""
    priority: str = ""
    policy: str = ""
    tags: tuple[str, ...] = ()
    imported: bool = False
    version_offset: int = 0
    touched_at: int = 0
    solved_at: int | None = None
    decide_at: int = 0
    fcr: bool | None = None
    answers: EpisodeAnswers = EpisodeAnswers()
    invitation: Invitation = Invitation()
    survey: Survey | None = None
    follow_up: FollowUp | None = None
    brand: str = ""

    def version_at(self, offset: int) -> int:
        """Returns the version of a fact about the episode that comes of the record at `offset`."""
        return offset + self.version_offset


class MergedInto(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Names whom a customer was merged into; `tag` is that of `customer_id`."""

    customer_id: str
    tag: str
    stamp: int


class MovedTicket(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Names a ticket that was this customer's and went to the customer with the tag `holder`; '' when it ended here.

    moves    how often it had changed hands then
    threads  its conversations then
    """

    ticket_id: str
    holder: str
    moves: int
    threads: tuple[str, ...] = ()


class MergeHistory(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds what merges and splits left behind.

    clock        the highest stamp seen
    merged_from  the tags of those who were merged into this customer
    """

    merged_into: MergedInto | None = None
    moved_tickets: tuple[MovedTicket, ...] = ()
    clock: int = 0
    merged_from: tuple[str, ...] = ()

    def gone(self, ticket: str) -> MovedTicket | None:
        """Returns where a ticket of this customer went, None for one that did not."""
        return next((each for each in self.moved_tickets if each.ticket_id == ticket), None)


class SentAcknowledgement(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """For the sliding caps: when, and the fingerprint of the subject."""

    at: int
    subject_fingerprint: int


class Customer(State, frozen=True, kw_only=True, array_like=True):
    """Key: `c` + customer tag. Everything that is known of one customer.

    seen        BLAKE2b-64 of the last event ids, oldest first: the same thing delivered twice is one event
    reasons     (why-tag, when) of recent contacts, for "repeat contact about the same reason within 7 days"
    merge_history  None for a customer to whom no merge or split ever came
    opted_out   addresses that nothing may be sent to; after an erasure digests of them
    episodes    what was solved lately, oldest first
    invited     when this customer was invited to surveys, for the cap
    whatsapp    (address, brand, when) of their last WhatsApp message to each brand: for 24 hours we may answer freely
    orders      (number, amount in the minor unit) of their last orders, the newest last
    """

    VERSION: ClassVar[int] = 10

    customer_id: str = ""
    name: str = ""
    language: str = ""
    tier: str = ""
    next_number: int = 1
    tickets: tuple[Ticket, ...] = ()
    seen: tuple[int, ...] = ()
    acknowledgements: tuple[SentAcknowledgement, ...] = ()
    reasons: tuple[tuple[str, int], ...] = ()
    last_low_csat_at: int | None = None
    merge_history: MergeHistory | None = None
    opted_out: tuple[str, ...] = ()
    episodes: tuple[Episode, ...] = ()
    invited: tuple[int, ...] = ()
    whatsapp: tuple[tuple[str, str, int], ...] = ()
    orders: tuple[tuple[str, int], ...] = ()

    @staticmethod
    def upgrade(version: int, fields: list[Any]) -> list[Any]:
        """Returns the fields of a customer that a build of an older version stored."""
        return older_states.customer(version, fields)

    def ticket(self, number: int) -> Ticket | None:
        """Returns the ticket of this number, if the customer has it."""
        for each in self.tickets:
            if each.number == number:
                return each
        return None

    def order_value(self, number: str) -> int:
        """Returns the amount of one of their last orders; 0 for one that is not known."""
        wanted = number.upper()
        return next((amount for known, amount in self.orders if known == wanted), 0) if number else 0

    def with_order(self, number: str, amount: int) -> Customer:
        """Returns the customer with one more order: a rule may choose the team of a ticket by what it is worth."""
        name = number.upper()
        others = tuple(each for each in self.orders if each[0] != name)
        return msgspec.structs.replace(self, orders=(*others, (name, amount))[-KEPT_ORDERS:])

    def with_orders(self, other: Customer) -> tuple[tuple[str, int], ...]:
        """Returns the last orders of both."""
        return tuple(dict((*other.orders, *self.orders)).items())[-KEPT_ORDERS:]

    def goes_by(self, customer_id: str) -> bool:
        """Returns true for their name, and for one that they had before they were merged into this customer."""
        if customer_id == self.customer_id:
            return True
        return (
            self.merge_history is not None
            and bool(customer_id)
            and customer_tag(customer_id) in self.merge_history.merged_from
        )

    def wants_nothing_at(self, address: str) -> bool:
        """Returns true when nothing more may be sent to an address."""
        if not self.opted_out:
            return False
        plain = _plain(address)
        return plain in self.opted_out or not _digests(plain).isdisjoint(self.opted_out)

    def opt_out(self, address: str) -> Customer:
        """Returns the customer, who wants nothing more at an address."""
        if self.wants_nothing_at(address):
            return self
        return msgspec.structs.replace(self, opted_out=(*self.opted_out, _plain(address))[-MOST_OPTED_OUT:])

    def opt_in(self, address: str) -> Customer:
        """Returns the customer, who wants to hear from us at an address again."""
        plain = _plain(address)
        same = {plain, *_digests(plain)}
        kept = tuple(each for each in self.opted_out if each not in same)
        return msgspec.structs.replace(self, opted_out=kept)

    def forgotten(self) -> Customer:
        """Returns the customer without their name and id. What they opted out of stays so: as digests."""
        digests = tuple(each if each.startswith(_SEAL) else _SEAL + seals(each)[0] for each in self.opted_out)
        return msgspec.structs.replace(self, customer_id="", name="", opted_out=digests, whatsapp=(), orders=())


class Pane(State, frozen=True, kw_only=True, array_like=True):
    """Key: `p` + pane key. Five minutes of one combination of dimensions; see `schemas.facts.PaneFact`.

    metrics      by their names in `schemas.facts.PaneFact`: a new name needs a VERSION, for an older build has no such field
    touched_at   pipeline time of the newest event in it; `postponed` counts the steps by which its end was put off
    buckets      measure → bucket → how many durations fell into it; see `sketch`
    """

    VERSION: ClassVar[int] = 5

    part: int = 0
    start: int = 0
    channel: str = ""
    team: str = ""
    priority: str = ""
    policy: str = ""
    metrics: dict[str, int | float] = msgspec.field(default_factory=dict)
    touched_at: int = 0
    postponed: int = 0
    buckets: dict[str, dict[int, int]] = msgspec.field(default_factory=dict)
    brand: str = ""


def _plain(address: str) -> str:
    return address.strip().lower()


def _digests(plain: str) -> frozenset[str]:
    return frozenset(_SEAL + seal for seal in seals(plain))


def customer_key(tag: str) -> bytes:
    """Returns the key under which a customer is stored."""
    return b"c" + tag.encode()
