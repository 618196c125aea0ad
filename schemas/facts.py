"""What Deskstream concluded: the records of the fact topics and of `outbound`, as frozen structs.

A fact is absolute: a full row with a deterministic id and `version` = the offset of the source record. Whoever
reads keeps the highest version. None means undefined and is never 0.
"""

from __future__ import annotations

import msgspec

from schemas.events import Micros


class Fact(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`customer_tag` is the key, `version` the source offset, `partition` the source partition, `at` event time."""

    customer_tag: str
    version: int
    partition: int
    at: Micros


class TicketFact(Fact, frozen=True, kw_only=True):
    """The whole ticket as it is now. Id: `ticket_id`. Seconds are calendar seconds from `created_at`."""

    ticket_id: str
    episode: int
    channel: str
    status: str
    priority: str
    subject: str = ""
    customer_id: str = ""
    customer_name: str = ""
    language: str = ""
    tier: str = ""
    team: str = ""
    assignee_id: str = ""
    tags: list[str] = []
    tagged_with: str = ""
    order_number: str = ""
    dissatisfied: bool = False
    imported: bool = False
    created_at: Micros = 0
    acknowledged_at: Micros | None = None
    first_assigned_at: Micros | None = None
    first_response_at: Micros | None = None
    first_solved_at: Micros | None = None
    last_solved_at: Micros | None = None
    first_response_seconds: float | None = None
    first_resolution_seconds: float | None = None
    full_resolution_seconds: float | None = None
    policy: str = ""
    policy_version: str = ""
    promised_at: Micros | None = None
    customer_messages: int = 0
    public_replies: int = 0
    internal_notes: int = 0
    reopens: int = 0
    transfers: int = 0
    assignees: int = 0
    clocks_breached: int = 0
    next_due_at: Micros | None = None
    waiting_since: Micros | None = None
    csat: int | None = None
    ces: int | None = None


class ContactFact(Fact, frozen=True, kw_only=True):
    """One thing that happened on a customer's timeline. Id: `event_id`.

    kind       the event's name in snake case (`message_received`, `agent_replied`, ...)
    direction  `in out internal`
    """

    event_id: str
    kind: str
    direction: str
    received_at: Micros
    channel: str = ""
    source: str = ""
    ticket_id: str = ""
    author: str = ""
    subject: str = ""
    text: str = ""
    language: str = ""
    public: bool = False
    dissatisfied: bool = False
    opened_ticket: bool = False
    imported: bool = False
    order_number: str = ""
    amount: int | None = None
    detail: str = ""


class AcknowledgementFact(Fact, frozen=True, kw_only=True):
    """One decision to acknowledge. Id: `event_id`. `outcome` is `sent suppressed`; `reason` says why suppressed."""

    event_id: str
    ticket_id: str
    episode: int
    channel: str
    outcome: str
    reason: str = ""
    template: str = ""
    template_version: str = ""
    locale: str = ""
    promised_at: Micros | None = None
    outbound_id: str = ""


class TagFact(Fact, frozen=True, kw_only=True):
    """One why-tag on one ticket. Id: `ticket_id, tag`. `active` is false after a correction took it away."""

    ticket_id: str
    tag: str
    active: bool = True
    origin: str = "taxonomy"
    agent_id: str = ""
    taxonomy_version: str = ""
    evidence: str = ""
    quadrant: str = ""
    valence: str = ""
    owner_team: str = ""
    channel: str = ""


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


class SurveyFact(Fact, frozen=True, kw_only=True):
    """One answer to a survey. Id: `survey_id, answer`; `answer` counts from 1.

    agent_id   who solved that episode, whoever has the ticket when the answer comes; `team` is that of the episode
    episode    which time the ticket was solved, from 1; 0 when unknown
    scanner    a machine's vote: kept, and in no figure
    first_csat, first_ces  the first score that a person gave in this survey; the row with the highest `answer` of a
               person has the last one
    thanked    `sent`, or why this answer was not thanked for: `already scanner imported machine no_address opted_out`
    follow_up  this answer opened a follow-up
    """

    ticket_id: str
    survey_id: str
    answer: int
    csat: int | None = None
    ces: int | None = None
    comment: str = ""
    channel: str = ""
    team: str = ""
    agent_id: str = ""
    went_wrong: str = ""
    episode: int = 0
    scanner: bool = False
    first_csat: int | None = None
    first_ces: int | None = None
    thanked: str = ""
    follow_up: bool = False
    imported: bool = False


class InvitationFact(Fact, frozen=True, kw_only=True):
    """Whether a customer was asked about one resolution episode. Id: `ticket_id, episode`; decided once.

    outcome     `sent`, or `withheld` for a `reason` (`stream_processors.tickets.surveys.invite.REASONS`)
    expires_at  when the signed link ends
    """

    ticket_id: str
    episode: int
    survey_id: str
    outcome: str
    reason: str = ""
    channel: str = ""
    team: str = ""
    agent_id: str = ""
    locale: str = ""
    texts_version: str = ""
    outbound_id: str = ""
    solved_at: Micros | None = None
    expires_at: Micros | None = None


class FollowUpFact(Fact, frozen=True, kw_only=True):
    """A person looks after a customer who scored us low (CSAT 1 or 2). Id: `ticket_id, episode`.

    status     `open` in the queue of the team · `assigned` to `agent_id` · `done`, by `done_by`
    solved_by  whose work was scored
    comment    what the customer said, shortened; the whole of it is in the answers of the survey
    """

    ticket_id: str
    episode: int
    survey_id: str
    status: str
    opened_at: Micros
    csat: int | None = None
    comment: str = ""
    channel: str = ""
    team: str = ""
    solved_by: str = ""
    agent_id: str = ""
    done_at: Micros | None = None
    done_by: str = ""
    done_seconds: float | None = None


class ResolutionFact(Fact, frozen=True, kw_only=True):
    """One time that a ticket was solved. Id: `ticket_id, episode`.

    agent_id        who solved it
    public_answers  of people in this episode; a chat conversation is one answer, however many lines it has
    fcr             first contact resolution: solved in one public answer, not reopened, and no other contact about one
                    of its tags within 7 days (configurable); NULL while undecided
    decided_at      exactly the end of these days, or the moment that falsified it
    decide_at       when it is decided at the latest
    reason          why not: `several_answers no_answer reopened contacted_again`; `forgotten` when it stays undecided,
                    which takes a customer that is solved over 1,000 times in these days
    """

    ticket_id: str
    episode: int
    solved_at: Micros
    decide_at: Micros
    channel: str = ""
    team: str = ""
    agent_id: str = ""
    priority: str = ""
    tags: list[str] = []
    public_answers: int = 0
    fcr: bool | None = None
    decided_at: Micros | None = None
    reason: str = ""
    imported: bool = False


class ConversationFact(Fact, frozen=True, kw_only=True):
    """A telephone call or a chat that is over. Id: `event_id`, that of its end.

    kind            `call chat`
    outcome         `answered` by a person · `abandoned` before that by the customer · `voicemail missed timed_out`
    wait_seconds    until a person answered, or until the customer gave up
    handle_seconds  how long a person had it: talk time of a call; of a chat from the first answer to the end. NULL
                    where nobody had it, or where its beginning is not known
    """

    event_id: str
    kind: str
    outcome: str
    ticket_id: str = ""
    channel: str = ""
    team: str = ""
    agent_id: str = ""
    wait_seconds: float | None = None
    handle_seconds: float | None = None
    imported: bool = False


class RepeatFact(Fact, frozen=True, kw_only=True):
    """A customer contacted us about a reason again within 7 days (`repeat_days` of the taxonomy). Id: `event_id, tag`.

    previous_at  when they last did; good news is no repeat
    """

    event_id: str
    tag: str
    ticket_id: str
    previous_at: Micros
    seconds: float
    channel: str = ""
    team: str = ""
    quadrant: str = ""
    imported: bool = False


class AssignmentFact(Fact, frozen=True, kw_only=True):
    """One assignment or transfer. Id: `event_id`. `wait_seconds` is from eligible to assigned."""

    event_id: str
    ticket_id: str
    team: str
    agent_id: str = ""
    reason: str = ""
    wait_seconds: float | None = None


class PresenceFact(Fact, frozen=True, kw_only=True):
    """A stretch of time in which an agent's presence in a team was one and the same. Id: `team, agent_id, since`.

    Written by the router. One stretch follows the other without a gap; before the first nothing is known of the agent.
    No customer: `customer_tag` is '', and the key is the team.

    status        `online away offline`
    busy          they were online and had at least one ticket in their hands that waited on us
    until         when it ended; NULL while it lasts
    status_since  since when they have this status: the beginning of the first of the stretches that share it
    """

    team: str
    agent_id: str
    since: Micros
    status: str
    busy: bool = False
    status_since: Micros = 0
    until: Micros | None = None


class PaneFact(Fact, frozen=True, kw_only=True):
    """Five minutes of one combination of dimensions, as an absolute partial. Id: `partition, part, start, channel, team, priority, policy`.

    Windows of 1 h, 24 h and 7 d are sums of panes. `part` is the offset that opened this partial, so that a pane
    whose state was dropped can receive late data in a new part; sum over parts and partitions. A partial may be
    negative, where it corrects what another part counted.

    contacts_received   from customers: messages and calls; `messages_in` are the messages alone
    backlog_change      open tickets that came, less those that went, also to other dimensions: the backlog is the
                        sum of all panes until then; `backlog_created_change` is the same for the sum of the times
                        (whole seconds since 1970) at which the open tickets were created, which tells their age
    answers             calls and chats that a person took, `abandoned` those that the customer gave up
    handled             those whose handling time is known
    surveys_answered_invited    of `surveys_answered` those that we had invited to; others answered in the chat's window
    *_imported          the part of the figure that came of imported history
    """

    part: int
    start: Micros
    channel: str = ""
    team: str = ""
    priority: str = ""
    policy: str = ""
    contacts_received: int = 0
    tickets_created: int = 0
    tickets_solved: int = 0
    tickets_reopened: int = 0
    messages_out: int = 0
    acknowledged: int = 0
    suppressed: int = 0
    first_responses: int = 0
    first_response_seconds_sum: float = 0.0
    first_response_seconds_max: float = 0.0
    first_responses_within_target: int = 0
    resolutions: int = 0
    resolution_seconds_sum: float = 0.0
    clocks_met: int = 0
    clocks_breached: int = 0
    csat_answers: int = 0
    csat_sum: int = 0
    csat_low: int = 0
    ces_answers: int = 0
    ces_sum: int = 0
    orders_placed: int = 0
    articles_viewed: int = 0
    messages_in: int = 0
    backlog_change: int = 0
    backlog_created_change: int = 0
    next_responses: int = 0
    next_response_seconds_sum: float = 0.0
    next_response_seconds_max: float = 0.0
    resolution_seconds_max: float = 0.0
    requester_waits: int = 0
    requester_wait_seconds_sum: float = 0.0
    requester_wait_seconds_max: float = 0.0
    answers: int = 0
    answer_seconds_sum: float = 0.0
    answer_seconds_max: float = 0.0
    abandoned: int = 0
    abandoned_seconds_sum: float = 0.0
    handled: int = 0
    handled_seconds_sum: float = 0.0
    transferred: int = 0
    deflected: int = 0
    fcr_kept: int = 0
    fcr_lost: int = 0
    repeat_contacts: int = 0
    surveys_sent: int = 0
    surveys_answered: int = 0
    follow_ups: int = 0
    followed_up: int = 0
    csat_1: int = 0
    csat_2: int = 0
    csat_3: int = 0
    csat_4: int = 0
    csat_5: int = 0
    csat_answers_imported: int = 0
    csat_sum_imported: int = 0
    handled_seconds_max: float = 0.0
    ces_1: int = 0
    ces_2: int = 0
    ces_3: int = 0
    ces_4: int = 0
    ces_5: int = 0
    ces_6: int = 0
    ces_7: int = 0
    surveys_answered_invited: int = 0


class PaneBucketFact(Fact, frozen=True, kw_only=True):
    """How many durations of one measure fell into one bucket of one pane.

    Id: `start, measure, channel, team, priority, policy, partition, part, bucket`.

    measure  `first_response next_response resolution answer requester_wait handled`
    bucket   0 up to a millisecond; b for durations above γ^(b-1) and up to γ^b milliseconds, γ = 101/99; read back as
             2 γ^b / (γ + 1) milliseconds it is within 1 % of each of them
    """

    part: int
    start: Micros
    measure: str
    bucket: int
    count: int
    channel: str = ""
    team: str = ""
    priority: str = ""
    policy: str = ""


class Outbound(Fact, frozen=True, kw_only=True):
    """A message to a customer, to be delivered exactly as it stands. Id: `outbound_id`.

    kind     `acknowledgement reply transcript survey thanks`, and `help opt_out opt_in` for what SMS keywords say
    headers  e-mail headers to set (`In-Reply-To`, `References`, `Auto-Submitted`, ...); of `social`, `In-Reply-To` is the
             network's id of the post or comment that is answered
    """

    outbound_id: str
    ticket_id: str
    kind: str
    channel: str
    address: str
    sender: str = ""
    customer_name: str = ""
    subject: str = ""
    text: str = ""
    locale: str = ""
    message_id: str = ""
    thread_id: str = ""
    headers: dict[str, str] = {}
    causation_depth: int = 0


class DeliveryFact(Fact, frozen=True, kw_only=True):
    """What became of an outbound message. Id: `outbound_id`. `outcome` is `delivered bounced refused`."""

    outbound_id: str
    ticket_id: str
    channel: str
    kind: str
    outcome: str
    attempts: int = 1
    detail: str = ""


class WebhookDelivered(Fact, frozen=True, kw_only=True):
    """One attempt to hand a fact to a subscribed help desk. Id: `delivery_id, at`.

    delivery_id  the same in every attempt, also after a restart; the receiver gets it as `Deskstream-Delivery`
    fact, fact_id  the kind of the fact (`ticket_fact`, ...) and its own id
    outcome      `delivered retried dead_lettered switched_off`; `at` is when the attempt ended
    status       of the HTTP answer, None when there was none; `attempt` counts from 1 in each run of the sink
    """

    delivery_id: str
    subscription: str
    fact: str
    fact_id: str
    attempt: int
    outcome: str
    status: int | None = None
    seconds: float = 0.0
    detail: str = ""


FACTS: tuple[type[Fact], ...] = (
    TicketFact,
    ContactFact,
    AcknowledgementFact,
    TagFact,
    ClockFact,
    TicketClocks,
    ClockShare,
    SurveyFact,
    AssignmentFact,
    PaneFact,
    PaneBucketFact,
    Outbound,
    DeliveryFact,
    WebhookDelivered,
    InvitationFact,
    FollowUpFact,
    ResolutionFact,
    ConversationFact,
    RepeatFact,
    PresenceFact,
)
