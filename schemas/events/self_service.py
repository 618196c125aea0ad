"""What customers read and ask before they contact us."""

from __future__ import annotations

from schemas.events.base import Event


class ArticleViewed(Event, frozen=True, kw_only=True):
    """Self-service: an article was read, or a search had no result (`article_id` '').

    reaction  '' for the view or the search itself; else what came of it: `helped not_helped`, as the customer said,
              `contacted` when they sent the form from there, `chat` when they went on to the chat; `published` once a day for
              each article of our help pages, which nobody read
    """

    customer_id: str
    article_id: str = ""
    query: str = ""
    language: str = ""
    results: int | None = None
    verified: str = "none"
    brand: str = ""
    reaction: str = ""


class BotAnswered(Event, frozen=True, kw_only=True):
    """One turn of a bot: what it was asked and what it said. `resolved` when the customer said that it helped."""

    customer_id: str
    thread_id: str
    question: str = ""
    answer: str = ""
    article_id: str = ""
    language: str = ""
    resolved: bool = False
    verified: str = "none"
    brand: str = ""
