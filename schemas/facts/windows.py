"""Facts of five minutes of one combination of dimensions, which windows sum up."""

from __future__ import annotations

from schemas.events import Micros
from schemas.facts.base import Fact


class PaneFact(Fact, frozen=True, kw_only=True):
    """Five minutes of one combination of dimensions, as an absolute partial.

    Id: `partition, part, start, channel, team, priority, policy, brand`.

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
    brand: str = ""


class PaneBucketFact(Fact, frozen=True, kw_only=True):
    """How many durations of one measure fell into one bucket of one pane.

    Id: `start, measure, channel, team, priority, policy, brand, partition, part, bucket`.

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
    brand: str = ""
