"""Holds what the tickets aggregate remembers of one ticket, in groups by concern.

The rules at the top of `state` hold here as well.
"""

from __future__ import annotations

import msgspec

from schemas.events import UNVERIFIED
from schemas.identity import ticket_id
from stream_processors.tickets.ticket_routing import TicketOffer, TicketRouting

__all__ = [
    "KEPT_THREADS",
    "Adopted",
    "Automated",
    "Clock",
    "ClockCharges",
    "ClockShare",
    "ClockTerms",
    "Milestones",
    "NextResponseTotals",
    "Promise",
    "StatusChange",
    "Ticket",
    "TicketConversation",
    "TicketCounts",
    "TicketOffer",
    "TicketRequest",
    "TicketRouting",
    "TicketSla",
    "TicketSurvey",
    "TimeInStatus",
]

#: The conversations that a ticket remembers: its last ones.
KEPT_THREADS = 5


class StatusChange(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds how a ticket stood from `at` on: in which state, with which team, in whose hands ('' nobody's)."""

    at: int
    status: str
    team: str
    agent: str = ""


class ClockShare(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds the time of a clock (micros) that one holder is charged with; `business` is working time, 0 without a calendar."""

    team: str
    agent: str
    micros: int
    business: int = 0


class TimeInStatus(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds the time that a ticket spent in one state (micros); `unassigned` is what passed in nobody's hands."""

    status: str
    micros: int = 0
    business: int = 0
    unassigned: int = 0
    unassigned_business: int = 0


class NextResponseTotals(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds how often and how long (micros) the customer waited for a next response.

    started_at, answered_at   of the last one, which a late answer may still restate; the sums are of those before it
    previous_at               when the one before it was answered, 0 for none
    overlap, overlap_business the part of the sums that an earlier answer's wait covers as well
    """

    started_at: int
    answered_at: int
    count: int = 1
    micros: int = 0
    business: int = 0
    longest: int = 0
    longest_business: int = 0
    previous_at: int = 0
    overlap: int = 0
    overlap_business: int = 0


class ClockTerms(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds what a clock took from its policy when it started, and keeps.

    calendar   '' for one that runs day and night
    at_risk    the percentages of its target at which it warns
    """

    target_seconds: float
    policy: str
    policy_version: str
    calendar: str = ""
    at_risk: tuple[int, ...] = ()


class ClockCharges(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds whom a clock is charged to.

    written        in this episode, as the facts say
    carried        what of it comes from earlier instances, and from status changes before `counted_from`, which are forgotten
    spent          the forgotten time of this instance (micros), `spent_business` in working time
    """

    written: tuple[ClockShare, ...] = ()
    carried: tuple[ClockShare, ...] = ()
    counted_from: int = 0
    spent: int = 0
    spent_business: int = 0


class Clock(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds one SLA clock of one episode: running while `stopped_at` is None. `sequence` counts its ledger rows.

    `team` and `priority` are those that its breach was charged to, so that a correction withdraws it there;
    `cancelled` is set when it stopped without an answer.

    paused_at        since when it stands still, in a state of the ticket that is not its own; it is not due then
    run_at, ran      when it last began to run (0: at its start), and its own time (micros) until then
    risk             the highest percentage of its target at which it has warned, 0 for none
    alert_at         when the next of them will have passed, None after the last
    """

    name: str
    instance: int
    started_at: int
    due_at: int
    terms: ClockTerms
    episode: int = 1
    sequence: int = 1
    stopped_at: int | None = None
    breached: bool = False
    cancelled: bool = False
    paused_at: int | None = None
    run_at: int = 0
    ran: int = 0
    risk: int = 0
    alert_at: int | None = None
    team: str = ""
    priority: str = ""
    charges: ClockCharges = ClockCharges()

    @property
    def running(self) -> bool:
        """Returns true while time counts: it has neither stopped nor is it paused."""
        return self.stopped_at is None and self.paused_at is None

    @property
    def next_at(self) -> int | None:
        """Returns when (micros) it will have something to say next: a warning or its breach."""
        if self.stopped_at is not None or self.paused_at is not None or self.breached:
            return None
        return self.due_at if self.alert_at is None else min(self.alert_at, self.due_at)


class Adopted(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds what a ticket that has changed hands keeps (ADR 0011): its id, and versions that go on where they were.

    moves   how often it has changed hands
    lift    is added to the offset, so that its facts here are newer than those from its partition before
    """

    ticket_id: str
    moves: int
    version_offset: int


class TicketRequest(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds what the customer wants, and how they said it.

    tags_removed       those that a person took away; they are not found again
    tagged_with        the version of the taxonomy
    opened_by_machine  a machine opened the ticket: nobody there answers a survey
    verified           how it was verified that whoever is answered at `address` is the customer
    """

    subject: str = ""
    address: str = ""
    time_zone: str = ""
    order_number: str = ""
    public: bool = False
    dissatisfied: bool = False
    tags_removed: tuple[str, ...] = ()
    tagged_with: str = ""
    opened_by_machine: bool = False
    verified: str = UNVERIFIED


class TicketConversation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds what is known of the messages of a ticket.

    unanswered     when the customer wrote what no person has answered yet, oldest first; `waiting_since` is its first
    message_ids    the last 20 e-mail ids, theirs and ours; `last_message_id` is the customer's last
    ended_chat     the thread whose conversation ended last, and when: while it is the newest, answers go by e-mail
    answered_call  the call that a person took last (its id), and when: its end tells of the same answer
    answers        public answers of people, all lines of one chat conversation being one
    answered_conversations  the chat conversations in which a person answered: episode and thread
    participants   the customer tags of others who take part: the customer's verified mails were sent to them as well
    unanswered_at_solve  what was unanswered when the ticket was solved last: an answer from before that may still arrive
    """

    unanswered: tuple[int, ...] = ()
    waiting_since: int | None = None
    thread_ids: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()
    last_message_id: str = ""
    ended_chat: str = ""
    ended_chat_at: int = 0
    answered_call: tuple[str, int] | None = None
    answers: int = 0
    answered_conversations: tuple[tuple[int, str], ...] = ()
    participants: tuple[str, ...] = ()
    unanswered_at_solve: tuple[int, ...] = ()


class TicketCounts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Counts what happened to a ticket. `third_party_messages` are of senders who take no part in it."""

    customer_messages: int = 0
    public_replies: int = 0
    internal_notes: int = 0
    reopens: int = 0
    transfers: int = 0
    clocks_breached: int = 0
    third_party_messages: int = 0


class Milestones(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds when a ticket reached its milestones (micros).

    acknowledged_episode  the episode that was acknowledged last
    promised_at           until when we promised an answer
    last_response_at      when a person answered publicly last
    status_at             of when the newest `StatusChanged` is that arrived, so that an older one does not undo it
    """

    acknowledged_at: int | None = None
    acknowledged_episode: int = 0
    promised_at: int | None = None
    first_assigned_at: int | None = None
    first_response_at: int | None = None
    first_solved_at: int | None = None
    last_solved_at: int | None = None
    status_at: int | None = None
    last_response_at: int | None = None


class TicketSla(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds what a ticket's time is measured by, and what it has come to.

    calendar        whose working time its measures count, from the policy (of `calendar_version`) that it opened with; '' for none
    status_history  how it stood since when, oldest first; the oldest of very many go into `time_in_status`
    next_responses  None before the first
    ringing_since   since when a live conversation (chat, phone) waits for a person, None when none does
    answered        when the first live conversation that a person answered began, and when that was
    abandoned       since when the live conversation waited that ended last without an answer, and until when
    """

    policy: str = ""
    policy_version: str = ""
    calendar: str = ""
    calendar_version: str = ""
    status_history: tuple[StatusChange, ...] = ()
    time_in_status: tuple[TimeInStatus, ...] = ()
    next_responses: NextResponseTotals | None = None
    ringing_since: int | None = None
    answered: tuple[int, int] | None = None
    abandoned: tuple[int, int] | None = None


class Promise(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds by when an acknowledgement promised an answer, and what became of it (micros).

    channel    the one that the customer wrote on; `policy` is that of the promise
    outcome    `open` · `kept` · `broken` · `ended` without an answer, when nobody waited for one any more
    """

    episode: int
    given_at: int
    promised_at: int
    channel: str
    policy: str
    answered_at: int | None = None
    outcome: str = "open"

    @property
    def broken_from(self) -> int:
        """Returns the first instant at which it is too late: the customer was told a whole minute, that minute included."""
        return self.promised_at + 1


class TicketSurvey(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds the scores that stand now. `answers` counts those of people."""

    csat: int | None = None
    ces: int | None = None
    answers: int = 0


class Automated(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds what rules of `automations.yaml` did to a ticket, so that each does it once for each situation.

    episode     the one that `fired` is of
    fired       the rules that have fired, each with its situation
    status, since   the status that rules wait in, and since when (micros) the ticket has it
    due_at      when the next of them is due; None while none waits
    """

    episode: int = 1
    fired: tuple[str, ...] = ()
    status: str = ""
    since: int = 0
    due_at: int | None = None


class Ticket(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds one ticket. `episode` counts from 1 and rises when it is reopened.

    routed_as      what the router was told last: `action:team:agent:priority`
    clocks         at most one of each name: running, or the last that stopped
    follow_up      None, or who looks after a low score of it: an agent, or '' while it waits in the queue
    adopted        None for a ticket that was always this customer's; of the others `number` says nothing but which
    brand          what its customer wrote to; '' where none was configured then
    promise        by when an answer was promised last; None while nothing was promised
    automated      None while no rule of `automations.yaml` concerned it
    """

    number: int
    channel: str
    created_at: int
    episode: int = 1
    status: str = "new"
    priority: str = "normal"
    language: str = ""
    team: str = ""
    assignee: str = ""
    assignees: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    imported: bool = False
    updated_at: int = 0
    routed_as: str = ""
    clocks: tuple[Clock, ...] = ()
    follow_up: str | None = None
    adopted: Adopted | None = None
    request: TicketRequest = TicketRequest()
    conversation: TicketConversation = TicketConversation()
    counts: TicketCounts = TicketCounts()
    milestones: Milestones = Milestones()
    sla: TicketSla = TicketSla()
    survey: TicketSurvey = TicketSurvey()
    brand: str = ""
    promise: Promise | None = None
    routing: TicketRouting = TicketRouting()
    automated: Automated | None = None

    def id_at(self, tag: str) -> str:
        """Returns the ticket's id; `tag` is that of the customer who has it."""
        return ticket_id(tag, self.number) if self.adopted is None else self.adopted.ticket_id

    def version_at(self, offset: int) -> int:
        """Returns the version of a fact about the ticket that comes of the record at `offset`."""
        return offset if self.adopted is None else offset + self.adopted.version_offset
