"""What the tickets aggregate remembers: a customer with their tickets, and panes of rolling figures.

Everything is frozen: a step returns a changed copy (`msgspec.structs.replace`), so a record that fails leaves
nothing half changed. Times are micros UTC. Fields have short encodings through `array_like`: append new fields
at the end, with defaults, raise the `VERSION` of the state they are in (a test asks), and never reorder (or write `upgrade`).
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from schemas.identity import customer_tag, event_id, ticket_id
from stream_processors.runtime.processor import State

#: Addresses that a customer may have stopped; far more than anybody has.
MOST_OPTED_OUT = 100
_SEAL = "#"


class StatusChange(msgspec.Struct, frozen=True, array_like=True):
    """How a ticket stood from `at` on: in which state, with which team, in whose hands ('' nobody's)."""

    at: int
    status: str
    team: str
    agent: str = ""


class ClockShare(msgspec.Struct, frozen=True, array_like=True):
    """Time of a clock (micros) that one holder is charged with; `business` is working time, 0 without a calendar."""

    team: str
    agent: str
    micros: int
    business: int = 0


class TimeInStatus(msgspec.Struct, frozen=True, array_like=True):
    """Time that a ticket spent in one state (micros); `unassigned` is what of it passed in nobody's hands."""

    status: str
    micros: int = 0
    business: int = 0
    unassigned: int = 0
    unassigned_business: int = 0


class NextResponseTotals(msgspec.Struct, frozen=True, array_like=True):
    """How often and how long (micros) the customer waited for a next response.

    started_at, answered_at   of the last one, which a late answer may still restate; the sums are of those before it
    """

    started_at: int
    answered_at: int
    count: int = 1
    micros: int = 0
    business: int = 0
    longest: int = 0
    longest_business: int = 0


class Clock(msgspec.Struct, frozen=True, array_like=True):
    """One SLA clock of one episode: running while `stopped_at` is None. `sequence` counts its ledger rows.

    `team` and `priority` are those that its breach was charged to, so that a correction withdraws it there;
    `cancelled` is set when it stopped without an answer. `calendar` is '' for one that runs day and night.

    paused_at        since when it stands still, in a state of the ticket that is not its own; it is not due then
    run_at, ran      when it last began to run (0: at its start), and its own time (micros) until then
    at_risk          the percentages of its target at which it warns; `risk` is the highest that has passed, 0 for none
    alert_at         when the next of them will have passed, None after the last
    written          whom the clock was charged to in this episode, as the facts say; `carried` is what of it comes from
                     earlier instances, and from stations before `counted_from`, which are forgotten
    spent            the forgotten time of this instance (micros), `spent_business` in working time
    """

    name: str
    instance: int
    started_at: int
    target_seconds: float
    due_at: int
    policy: str
    policy_version: str
    stopped_at: int | None = None
    breached: bool = False
    sequence: int = 1
    team: str = ""
    priority: str = ""
    cancelled: bool = False
    episode: int = 1
    calendar: str = ""
    paused_at: int | None = None
    run_at: int = 0
    ran: int = 0
    at_risk: tuple[int, ...] = ()
    risk: int = 0
    alert_at: int | None = None
    written: tuple[ClockShare, ...] = ()
    carried: tuple[ClockShare, ...] = ()
    counted_from: int = 0
    spent: int = 0
    spent_business: int = 0

    @property
    def running(self) -> bool:
        """Whether time counts: it has neither stopped nor is it paused."""
        return self.stopped_at is None and self.paused_at is None

    @property
    def next_at(self) -> int | None:
        """When (micros) it will have something to say next: a warning or its breach."""
        if self.stopped_at is not None or self.paused_at is not None or self.breached:
            return None
        return self.due_at if self.alert_at is None else min(self.alert_at, self.due_at)


class Adopted(msgspec.Struct, frozen=True, array_like=True):
    """What a ticket that has changed hands keeps (ADR 0011): its id, and versions that go on where they were.

    moves   how often it has changed hands
    lift    is added to the offset, so that its facts here are newer than those from its partition before
    """

    ticket_id: str
    moves: int
    version_offset: int


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """One ticket. `episode` counts from 1 and rises when it is reopened.

    clocks         at most one of each name: running, or the last that stopped
    unanswered     when the customer wrote what no person has answered yet, oldest first; `waiting_since` is its first
    message_ids    the last 20 e-mail ids of the conversation, theirs and ours; `last_message_id` is the customer's last
    ended_chat     the thread whose conversation ended last, and when: while it is the newest, answers go by e-mail
    routed_as      what the router was told last: `action:team:agent:priority`
    stations       how it stood since when, oldest first; the oldest of very many go into `spells`
    calendar       whose working time its measures count, from the policy (of this version) that it opened with; '' for none
    waits          its next responses; None before the first
    rang_at        since when a live conversation (chat, phone) waits for a person, None when none does
    taken          the call that a person took last (its id), and when: its end tells of the same answer
    answered       when the first live conversation that a person answered began, and when that was
    adopted        None for a ticket that was always this customer's; of the others `number` says nothing but which
    follow_up      None, or who looks after a low score of it: an agent, or '' while it waits in the queue
    by_machine     a machine opened it: nobody there answers a survey
    left           since when the live conversation waited that was left last without an answer, and until when
    answers        public answers of people, all lines of one chat conversation being one
    answered_in    the chat conversations in which a person answered: episode and thread
    status_at      of when the newest `StatusChanged` is that arrived, so that an older one does not undo it
    """

    number: int
    channel: str
    created_at: int
    episode: int = 1
    status: str = "new"
    priority: str = "normal"
    subject: str = ""
    address: str = ""
    language: str = ""
    time_zone: str = ""
    team: str = ""
    assignee: str = ""
    order_number: str = ""
    imported: bool = False
    public: bool = False
    dissatisfied: bool = False
    tags: tuple[str, ...] = ()
    tags_removed: tuple[str, ...] = ()
    tagged_with: str = ""
    policy: str = ""
    policy_version: str = ""
    clocks: tuple[Clock, ...] = ()
    acknowledged_at: int | None = None
    acknowledged_episode: int = 0
    promised_at: int | None = None
    first_assigned_at: int | None = None
    first_response_at: int | None = None
    first_solved_at: int | None = None
    last_solved_at: int | None = None
    waiting_since: int | None = None
    customer_messages: int = 0
    public_replies: int = 0
    internal_notes: int = 0
    reopens: int = 0
    transfers: int = 0
    assignees: tuple[str, ...] = ()
    clocks_breached: int = 0
    csat: int | None = None
    ces: int | None = None
    survey_answers: int = 0
    thread_ids: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()
    last_message_id: str = ""
    updated_at: int = 0
    routed_as: str = ""
    unanswered: tuple[int, ...] = ()
    ended_chat: str = ""
    adopted: Adopted | None = None
    status_history: tuple[StatusChange, ...] = ()
    time_in_status: tuple[TimeInStatus, ...] = ()
    calendar: str = ""
    next_responses: NextResponseTotals | None = None
    ringing_since: int | None = None
    answered: tuple[int, int] | None = None
    calendar_version: str = ""
    follow_up: str | None = None
    opened_by_machine: bool = False
    answered_call: tuple[str, int] | None = None
    status_at: int | None = None
    ended_chat_at: int = 0
    answers: int = 0
    answered_conversations: tuple[tuple[int, str], ...] = ()
    abandoned: tuple[int, int] | None = None

    def id_at(self, tag: str) -> str:
        """The ticket's id; `tag` is that of the customer who has it."""
        return ticket_id(tag, self.number) if self.adopted is None else self.adopted.ticket_id

    def version_at(self, offset: int) -> int:
        """The version of a fact about the ticket that comes of the record at `offset`."""
        return offset if self.adopted is None else offset + self.adopted.version_offset


class Survey(msgspec.Struct, frozen=True, array_like=True):
    """The answers to one survey: `answers` of anybody, the rest of people. Times are those of the score they stand by."""

    answers: int = 0
    first_csat: int | None = None
    first_ces: int | None = None
    csat: int | None = None
    ces: int | None = None
    csat_at: int = 0
    ces_at: int = 0
    answered: bool = False
    thanked: bool = False


class FollowUp(msgspec.Struct, frozen=True, array_like=True):
    """Somebody looks after a low score; `agent` '' while it waits in the queue. The comment is kept while it is open."""

    opened_at: int
    survey_id: str
    agent: str = ""
    comment: str = ""
    done: bool = False


class Episode(msgspec.Struct, frozen=True, array_like=True):
    """One time that a ticket was solved, for as long as something may come of it (ADR 0016); it outlives the ticket.

    solved_at      None for a chat that was asked about before it was solved, or an answer to a survey before a solve
    replies_until  public replies of the whole ticket up to here, and `answers_until`, in which a chat is one, whatever its
                   lines; `public_answers` are those of this episode
    asked          whether it was decided to invite or not; `invite_at` is when that is due, None when nothing is
    invited        whether an invitation was sent
    decide_at      when `fcr` is decided at the latest; `fcr` None while it is not
    lift           as the ticket's, which may be gone
    """

    ticket_id: str
    number: int
    channel: str
    team: str = ""
    agent: str = ""
    priority: str = ""
    policy: str = ""
    tags: tuple[str, ...] = ()
    solved_at: int | None = None
    touched_at: int = 0
    replies_until: int = 0
    public_answers: int = 0
    asked: bool = False
    invite_at: int | None = None
    decide_at: int = 0
    fcr: bool | None = None
    imported: bool = False
    version_offset: int = 0
    survey: Survey | None = None
    follow_up: FollowUp | None = None
    invited: bool = False
    answers_until: int = 0

    def version_at(self, offset: int) -> int:
        """Returns the version of a fact about the episode that comes of the record at `offset`."""
        return offset + self.version_offset


class MergedInto(msgspec.Struct, frozen=True, array_like=True):
    """Whom a customer was merged into; `tag` is that of `customer_id`."""

    customer_id: str
    tag: str
    stamp: int


class MovedTicket(msgspec.Struct, frozen=True, array_like=True):
    """A ticket that was this customer's and went to the customer with the tag `holder`; '' when it ended here.

    moves    how often it had changed hands then
    threads  its conversations then
    """

    ticket_id: str
    holder: str
    moves: int
    threads: tuple[str, ...] = ()


class MergeHistory(msgspec.Struct, frozen=True, array_like=True):
    """What merges and splits left behind. `clock` is the highest stamp seen, `joined` the tags of who went up in this one."""

    merged_into: MergedInto | None = None
    moved_tickets: tuple[MovedTicket, ...] = ()
    clock: int = 0
    merged_from: tuple[str, ...] = ()

    def gone(self, ticket: str) -> MovedTicket | None:
        return next((each for each in self.moved_tickets if each.ticket_id == ticket), None)


class SentAcknowledgement(msgspec.Struct, frozen=True, array_like=True):
    """For the sliding caps: when, and the fingerprint of the subject."""

    at: int
    subject_fingerprint: int


class Customer(State, frozen=True, kw_only=True, array_like=True):
    """Key: `c` + customer tag. Everything that is known of one customer.

    seen        BLAKE2b-64 of the last event ids, oldest first: the same thing delivered twice is one event
    reasons     (why-tag, when) of recent contacts, for "repeat contact about the same reason within 7 days"
    links       None for a customer to whom no merge or split ever came
    opted_out   addresses that nothing may be sent to; after an erasure digests of them
    episodes    what was solved lately, oldest first
    invited     when this customer was invited to surveys, for the cap
    """

    VERSION: ClassVar[int] = 5

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

    def ticket(self, number: int) -> Ticket | None:
        """Returns the ticket of this number, if the customer has it."""
        for each in self.tickets:
            if each.number == number:
                return each
        return None

    def goes_by(self, customer_id: str) -> bool:
        """Whether this is their name, or one that they had before they went up in this customer."""
        if customer_id == self.customer_id:
            return True
        return (
            self.merge_history is not None
            and bool(customer_id)
            and customer_tag(customer_id) in self.merge_history.merged_from
        )

    def wants_nothing_at(self, address: str) -> bool:
        """Whether nothing more may be sent to an address."""
        if not self.opted_out:
            return False
        plain = _plain(address)
        return plain in self.opted_out or _digest(plain) in self.opted_out

    def opt_out(self, address: str) -> Customer:
        """The customer, who wants nothing more at an address."""
        if self.wants_nothing_at(address):
            return self
        return msgspec.structs.replace(self, opted_out=(*self.opted_out, _plain(address))[-MOST_OPTED_OUT:])

    def opt_in(self, address: str) -> Customer:
        """The customer, who wants to hear from us at an address again."""
        plain = _plain(address)
        kept = tuple(each for each in self.opted_out if each not in (plain, _digest(plain)))
        return msgspec.structs.replace(self, opted_out=kept)

    def forgotten(self) -> Customer:
        """The customer without their name and id. What they wanted no more of they still do not want: as digests."""
        digests = tuple(each if each.startswith(_SEAL) else _digest(each) for each in self.opted_out)
        return msgspec.structs.replace(self, customer_id="", name="", opted_out=digests)


class Pane(State, frozen=True, kw_only=True, array_like=True):
    """Key: `p` + pane key. Five minutes of one combination of dimensions; see `schemas.facts.PaneFact`.

    metrics      by their names in `schemas.facts.PaneFact`: a new name needs a VERSION, for an older build has no such field
    touched_at   pipeline time of the newest event in it; `postponed` counts how often its end was put off
    buckets      measure → bucket → how many durations fell into it; see `sketch`
    """

    VERSION: ClassVar[int] = 4

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


def _plain(address: str) -> str:
    return address.strip().lower()


def _digest(plain: str) -> str:
    return _SEAL + event_id("opted-out", plain).lower()


def customer_key(tag: str) -> bytes:
    return b"c" + tag.encode()
