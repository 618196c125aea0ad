"""Facts of a ticket as a whole, and of each time that it was solved."""

from __future__ import annotations

from schemas.events import Micros
from schemas.facts.base import Fact


class TicketFact(Fact, frozen=True, kw_only=True):
    """The whole ticket as it is now. Id: `ticket_id`. Seconds are calendar seconds from `created_at`.

    verified              how it was verified that whoever is answered on it is the customer, one of `VERIFICATIONS`;
                          '' in rows from before that was recorded
    third_party_messages  messages of senders who take no part in it
    brand                 what the customer wrote to, a slug of `brands.yaml`; '' where none is configured, and in rows from
                          before there were brands. It is in all facts of a ticket
    team_rule             by what its team was chosen: `rule:NAME` of teams.yaml, `owner` of its tags, `fallback`, `language` or `hours`
                          where the owner does not answer, `transfer`, `overflow`; '' in rows from before that was recorded
    """

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
    verified: str = ""
    third_party_messages: int = 0
    brand: str = ""
    team_rule: str = ""


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
    brand: str = ""
