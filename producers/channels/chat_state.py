"""Holds the state of one chat conversation, the settings that it is folded by, and what a step returns. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple

from msgspec import Struct

from producers.channels import chat_protocol as frames
from schemas import identity
from schemas.clock import MICROS
from schemas.events import UNVERIFIED, Event

__all__ = [
    "CHANNEL",
    "LINE_FIELD",
    "PAGE_FIELD",
    "VISITOR_FIELD",
    "ChatConversation",
    "Gone",
    "Outcome",
    "Passed",
    "Phase",
    "Rules",
    "Step",
    "Written",
    "conversation_id",
]

CHANNEL = "chat"
#: Fields of a MessageReceived that only chat sets.
LINE_FIELD, VISITOR_FIELD, PAGE_FIELD = "line", "visitor", "page_url"

Outcome = Literal["closed", "abandoned", "timed_out"]
Phase = Literal["form", "queued", "answered", "ended"]


class Rules(Struct, frozen=True, kw_only=True):
    """The settings of chat. Durations in micros of the pipeline clock.

    grace    a visitor who is away for longer has left
    idle     a conversation that a person answered ends when nobody wrote for so long
    longest  a conversation ends after so long
    user_secrets  those that the shop signs its users with
    """

    source: str = "chat"
    secrets: tuple[str, ...] = ("",)
    line_characters: int = 4_000
    most_lines: int = 500
    grace: int = 120 * MICROS
    idle: int = 900 * MICROS
    longest: int = 7_200 * MICROS
    user_secrets: tuple[str, ...] = ()


class Written(Struct, frozen=True):
    """A line of the visitor; `line` is the client's id."""

    line: str
    text: str
    at: int


class ChatConversation(Struct, frozen=True, kw_only=True):
    """One conversation. Times are micros.

    ticket_id   '' until a record of the log names it
    gone_since  when the visitor's connection was lost; None while there is one
    solved      an agent solved or closed the ticket: the next step ends the conversation
    transcript  the visitor asked for it; `mailed` once the stream processors were asked to send it
    verified    how it was verified that the address is the visitor's
    """

    phase: Phase = "form"
    thread_id: str = ""
    visitor: str = ""
    customer_id: str = ""
    name: str = ""
    language: str = ""
    time_zone: str = ""
    order_number: str = ""
    page_url: str = ""
    ticket_id: str = ""
    started_at: int = 0
    answered_at: int | None = None
    touched_at: int = 0
    gone_since: int | None = None
    ended_at: int | None = None
    outcome: Outcome = "closed"
    solved: bool = False
    written: tuple[Written, ...] = ()
    said: tuple[frames.Said, ...] = ()
    position: int = 0
    transcript: bool = False
    mailed: bool = False
    verified: str = UNVERIFIED

    @property
    def customer_tag(self) -> str:
        """The tag of the visitor, as customer."""
        return identity.customer_tag(self.customer_id)

    @property
    def email(self) -> str:
        """The address of the form, '' when none was given."""
        return self.customer_id.removeprefix("email:") if self.customer_id.startswith("email:") else ""

    @property
    def lines(self) -> int:
        """The number of lines that either side wrote."""
        return len(self.written) + len(self.said)

    def wrote(self, line: str) -> bool:
        """Says if Kafka has this line of the visitor."""
        return any(written.line == line for written in self.written)


class Gone(Struct, frozen=True):
    """The visitor's connection is lost."""


class Passed(Struct, frozen=True):
    """Time passed, or the place in the queue changed. `position` is 0 when it is not known."""

    position: int = 0


class Step(NamedTuple):
    """The result of one input: the state and the frames are valid once Kafka has the events."""

    state: ChatConversation
    events: tuple[Event, ...] = ()
    frames: tuple[frames.ServerFrame, ...] = ()


def conversation_id(start: frames.Start) -> str:
    """Returns the thread id: the same form sent again is the same conversation."""
    return identity.event_id("chat-conversation", start.visitor, start.conversation)
