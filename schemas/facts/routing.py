"""Facts of assignments, and of the presence of agents."""

from __future__ import annotations

from schemas.events import Micros
from schemas.facts.base import Fact


class AssignmentFact(Fact, frozen=True, kw_only=True):
    """One assignment or transfer. Id: `event_id`. `wait_seconds` is from eligible to assigned.

    team_rule   by what the team was chosen, as in `TicketFact`
    """

    event_id: str
    ticket_id: str
    team: str
    agent_id: str = ""
    reason: str = ""
    wait_seconds: float | None = None
    brand: str = ""
    team_rule: str = ""


class OfferFact(Fact, frozen=True, kw_only=True):
    """One offer of a ticket to an agent, and what became of it. Id: `offer_id`.

    outcome      `open accepted declined missed withdrawn`; `late` of an answer that came when the offer was over, a row of its own
    offered_at   of a late answer when it came; its `expires_at` is NULL
    reason       of the assignment that comes of it
    """

    offer_id: str
    ticket_id: str
    team: str
    agent_id: str
    outcome: str
    offered_at: Micros
    expires_at: Micros | None = None
    ended_at: Micros | None = None
    channel: str = ""
    reason: str = ""
    brand: str = ""


class FollowerNotice(Fact, frozen=True, kw_only=True):
    """One follower of a ticket is told what became of it. Id: `ticket_id, episode, agent_id, outcome`.

    agent_id  the follower; `by` is who did it, '' for nobody
    outcome   `solved closed reopened`
    """

    ticket_id: str
    episode: int
    agent_id: str
    outcome: str
    team: str = ""
    by: str = ""
    subject: str = ""
    brand: str = ""


class PresenceFact(Fact, frozen=True, kw_only=True):
    """A stretch of time in which an agent's presence in a team was one and the same. Id: `team, agent_id, since`.

    Written by the router. One stretch follows the other without a gap; before the first nothing is known of the agent.
    No customer: `customer_tag` is '', and the key is the team.

    status        `online away offline`
    busy          they were online and had at least one ticket in their hands that waited on us
    until         when it ended; NULL while it lasts
    status_since  since when they have this status: the beginning of the first of the stretches that share it
    reason        `silent` no report of them came, `missed_offers` they were set away; '' as it was reported
    """

    team: str
    agent_id: str
    since: Micros
    status: str
    busy: bool = False
    status_since: Micros = 0
    until: Micros | None = None
    reason: str = ""
