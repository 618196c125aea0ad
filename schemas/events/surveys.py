"""Answers to surveys."""

from __future__ import annotations

from schemas.events.base import Event


class SurveyAnswered(Event, frozen=True, kw_only=True):
    """CSAT 1-5 and CES 1-7, each optional.

    went_wrong  what a low score was about, in the customer's words
    scanner     the vote looks like a machine's that opens every link
    episode     which time the ticket was solved, from 1; 0 when unknown
    agent_id    who solved it then: a late answer counts for them
    brand       that of the ticket, as the link says
    address     the browser of the visitor who answers in a chat's window; `thread_ref` is then their conversation
    """

    ticket_id: str
    survey_id: str
    csat: int | None = None
    ces: int | None = None
    comment: str = ""
    went_wrong: str = ""
    language: str = ""
    scanner: bool = False
    thread_ref: str = ""
    episode: int = 0
    agent_id: str = ""
    address: str = ""
    verified: str = "none"
    brand: str = ""
