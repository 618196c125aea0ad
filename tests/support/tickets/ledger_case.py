"""One case of the ledger of SLA clocks: the events of a ticket in one line, and the rows that they come to.

A timeline is `seconds event; seconds event; ...` in the order of the log: an event with a smaller time than the one
before it arrived late. Ledger rows are `[episode/]instance transition @at [after elapsed]`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tests.support.tickets.story import Story

FIRST, NEXT, FULL, ACK = "first_response", "next_response", "full_resolution", "acknowledgement"


class Case(NamedTuple):
    says: str
    timeline: str
    ledger: dict[str, list[str]]
    ticket: dict[str, Any] = {}  # noqa: RUF012


ACTIONS: dict[str, Callable[[Story, float], Any]] = {
    "message": lambda story, t: story.message(t),
    "urgent": lambda story, t: story.message(t, priority="urgent"),
    "more": lambda story, t: story.more(t),
    "thanks": lambda story, t: story.more(t, "Thank you so much!"),
    "reply": lambda story, t: story.reply(t),
    "private": lambda story, t: story.reply(t, public=False),
    "note": lambda story, t: story.add_note(t),
    "pending": lambda story, t: story.status(t, "pending"),
    "hold": lambda story, t: story.status(t, "hold"),
    "open": lambda story, t: story.status(t, "open"),
    "solve": lambda story, t: story.solve(t),
    "close": lambda story, t: story.status(t, "closed"),
    "assign": lambda story, t: story.assign(t, "mei"),
    "transfer": lambda story, t: story.transfer(t, "returns"),
    "tick": lambda story, t: story.tick(t),
}


def play(story: Story, timeline: str) -> None:
    for entry in timeline.split("; "):
        seconds, action = entry.split(" ")
        ACTIONS[action](story, float(seconds))
