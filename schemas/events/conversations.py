"""Calls and chats: their beginning, their answer, their end. `verified` and `brand` are as in `MessageReceived`."""

from __future__ import annotations

from schemas.events.base import Event


class CallStarted(Event, frozen=True, kw_only=True):
    """A call rings. `call_id` is the telephone system's."""

    customer_id: str
    address: str
    call_id: str
    language: str = ""
    verified: str = "none"
    brand: str = ""


class CallAnswered(Event, frozen=True, kw_only=True):
    """A person took a call; `wait_seconds` after it began to ring."""

    customer_id: str
    address: str
    call_id: str
    agent_id: str = ""
    wait_seconds: float = 0.0
    verified: str = "none"
    brand: str = ""


class CallEnded(Event, frozen=True, kw_only=True):
    """`outcome` is `answered abandoned voicemail missed`; durations in seconds."""

    customer_id: str
    address: str
    outcome: str
    ticket_ref: str = ""
    agent_id: str = ""
    wait_seconds: float = 0.0
    talk_seconds: float = 0.0
    transcript: str = ""
    recording: str = ""
    language: str = ""
    call_id: str = ""
    verified: str = "none"
    brand: str = ""


class ChatEnded(Event, frozen=True, kw_only=True):
    """A chat conversation is over.

    address       the visitor's browser, as in its messages
    outcome       `closed` by either side after a person answered · `abandoned` by the visitor before that
                  · `timed_out` by us
    wait_seconds  from the first line to the first answer of a person, or to the end when there was none
    lines         of both sides
    """

    customer_id: str
    address: str
    thread_id: str
    outcome: str
    wait_seconds: float = 0.0
    lines: int = 0
    verified: str = "none"
    brand: str = ""


class TranscriptRequested(Event, frozen=True, kw_only=True):
    """A chat conversation is to be sent to the e-mail `address` of its customer; `transcript` is what was said."""

    customer_id: str
    address: str
    thread_id: str
    transcript: str
    customer_name: str = ""
    language: str = ""
    verified: str = "none"
    brand: str = ""


class TypingChanged(Event, frozen=True, kw_only=True):
    """Somebody began or stopped writing in a chat: the visitor, or the agent if one is named. Kept for minutes."""

    thread_id: str
    on: bool
    agent_id: str = ""
