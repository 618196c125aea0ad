"""Facts of SLA clocks: transitions, durations of a ticket, and the share of each holder."""

from __future__ import annotations

from schemas.events import Micros
from schemas.facts.base import Fact


class ClockFact(Fact, frozen=True, kw_only=True):
    """One transition of one SLA clock. Id: `ticket_id, episode, clock, instance, transition, sequence`.

    clock       `acknowledgement answer first_response next_response requester_wait agent_work first_resolution
                full_resolution`
    transition  `activate pause resume at_risk fulfil breach correct cancel`; `at` is when it is true, `detected_at`
                when noticed
    due_at      NULL while the clock is paused
    calendar    whose working time the target counts, '' when it counts all time; without one
                `elapsed_business_seconds` is NULL
    threshold   of `at_risk`: how many percent of the target have passed, in the clock's own time; else 0
    reason      why a clock was cancelled: `solved closed reopened suppressed abandoned missed voicemail ...`; else ''
    policy      the one that the clock started with, which it keeps; `ticket_policy` would start one now
    """

    ticket_id: str
    episode: int
    clock: str
    instance: int
    transition: str
    sequence: int
    detected_at: Micros
    policy: str = ""
    policy_version: str = ""
    target_seconds: float | None = None
    due_at: Micros | None = None
    elapsed_seconds: float | None = None
    elapsed_business_seconds: float | None = None
    channel: str = ""
    priority: str = ""
    team: str = ""
    calendar: str = ""
    threshold: int = 0
    reason: str = ""
    ticket_policy: str = ""
    brand: str = ""


class TicketClocks(Fact, frozen=True, kw_only=True):
    """All clocks of one ticket, as of `at`, whether they have targets or not. Id: `ticket_id`.

    Each is measured in calendar seconds and in working seconds of `calendar`, that of the policy with which the ticket
    opened; `calendar_version` is the version of the policies beside which it stood then (it covers the calendars), while
    `policy_version` is that of the policy in force now. NULL is undefined: no calendar, not answered, not solved yet, or
    a ticket whose beginning is not known.

    acknowledgement   from creation to our acknowledgement
    answer            of the first chat or call that a person answered: from its first line or ring
    first_response    from creation to the first public answer of a person
    next_response     from the oldest unanswered message after an answer (or a reopening) to the next answer: how
                      often, the longest, the sum, and the last
    reply             until the first response and all next responses; no minute counts twice
    new open on_hold agent_wait   time in the states new, open, hold and pending
    requester_wait    new + open + hold     agent_work   new + open
    unassigned        time in any of these states in nobody's hands
    first_resolution  from creation to the first solve
    full_resolution   from creation to the last solve, reopenings included; NULL while it is not solved
    """

    ticket_id: str
    episode: int
    status: str
    created_at: Micros
    channel: str = ""
    priority: str = ""
    team: str = ""
    agent_id: str = ""
    policy: str = ""
    policy_version: str = ""
    calendar: str = ""
    acknowledgement_seconds: float | None = None
    acknowledgement_business_seconds: float | None = None
    answer_seconds: float | None = None
    answer_business_seconds: float | None = None
    first_response_seconds: float | None = None
    first_response_business_seconds: float | None = None
    next_responses: int = 0
    next_response_longest_seconds: float | None = None
    next_response_longest_business_seconds: float | None = None
    next_response_sum_seconds: float | None = None
    next_response_sum_business_seconds: float | None = None
    next_response_last_seconds: float | None = None
    next_response_last_business_seconds: float | None = None
    requester_wait_seconds: float | None = None
    requester_wait_business_seconds: float | None = None
    agent_wait_seconds: float | None = None
    agent_wait_business_seconds: float | None = None
    agent_work_seconds: float | None = None
    agent_work_business_seconds: float | None = None
    on_hold_seconds: float | None = None
    on_hold_business_seconds: float | None = None
    new_seconds: float | None = None
    new_business_seconds: float | None = None
    open_seconds: float | None = None
    open_business_seconds: float | None = None
    unassigned_seconds: float | None = None
    unassigned_business_seconds: float | None = None
    first_resolution_seconds: float | None = None
    first_resolution_business_seconds: float | None = None
    full_resolution_seconds: float | None = None
    full_resolution_business_seconds: float | None = None
    calendar_version: str = ""
    brand: str = ""
    reply_seconds: float | None = None
    reply_business_seconds: float | None = None


class PromiseFact(Fact, frozen=True, kw_only=True):
    """A time by which an acknowledgement promised an answer. Id: `ticket_id, episode`.

    outcome      `open` · `kept` a person answered by then · `broken` nobody did · `ended` solved or closed before, without an answer
    channel      the one that the customer wrote on; `team` is the one that had the ticket when this was written
    given_at     when the acknowledgement was sent
    answered_at  the first public answer of a person after that, also one that came too late
    """

    ticket_id: str
    episode: int
    channel: str
    outcome: str
    given_at: Micros
    promised_at: Micros
    answered_at: Micros | None = None
    team: str = ""
    policy: str = ""
    brand: str = ""


class ClockShare(Fact, frozen=True, kw_only=True):
    """What of a clock one holder is charged with so far. Id: `ticket_id, episode, clock, team, agent_id`.

    The sum over all instances of the clock in the episode; `agent_id` '' is the team before anybody was assigned.
    Written when the clock stops or is paused, and when the ticket changes hands: then the shares add up to its
    elapsed seconds. `business_seconds` is NULL without a calendar. `policy`, `policy_version` and `calendar` are those of
    the last instance; an instance before it that counted all time adds nothing to `business_seconds`.
    """

    ticket_id: str
    episode: int
    clock: str
    team: str
    agent_id: str
    seconds: float
    business_seconds: float | None = None
    channel: str = ""
    priority: str = ""
    policy: str = ""
    calendar: str = ""
    policy_version: str = ""
    brand: str = ""
