"""Facts of surveys: invitations, answers, and follow-ups of low scores."""

from __future__ import annotations

from schemas.events import Micros
from schemas.facts.base import Fact


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
    brand: str = ""


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
    brand: str = ""


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
    brand: str = ""
