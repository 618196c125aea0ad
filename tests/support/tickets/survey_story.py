"""A ticket that is solved and asked about, and what the surveys of a story say."""

from __future__ import annotations

from typing import Any

from schemas.facts import InvitationFact, Outbound
from stream_processors.rules.surveys import Signing
from tests.support.tickets.story import Story

SIGNING = Signing("https://shop.example/feedback/", ("the first secret", "an older one"))
PARCEL = "My parcel never arrived."
DUE = 120 + 10 * 60  # seconds: solved at 120 s, due ten minutes later


def solved(story: Story, start: float = 0, number: int = 1, **said: Any) -> None:
    """A ticket that Mei answers after 60 s and solves after 120 s."""
    story.message(start, **{"text": PARCEL, "customer_name": "Ann Lee", "subject": "My parcel"} | said)
    story.reply(start + 60, number=number)
    story.solve(start + 120, number=number, agent_id="mei")


def sent(story: Story, kind: str = "survey") -> list[Outbound]:
    return [each for each in story.all(Outbound) if each.kind == kind]


def decisions(story: Story) -> list[tuple[int, str, str]]:
    return [(fact.episode, fact.outcome, fact.reason) for fact in story.all(InvitationFact)]
