"""What agents do with a ticket: answer, note, change its status, team and tags."""

from __future__ import annotations

from schemas.events.base import Event


class AgentReplied(Event, frozen=True, kw_only=True):
    """A person answered. `public` answers go to the customer and stop the response clocks.

    thread_ref    here and below: instead of a `ticket_id`, which is '' then, the `thread_id` of the conversation. Who
                  imports a history, or has a help desk of its own, does not know our ticket ids.
    """

    ticket_id: str
    agent_id: str
    text: str
    public: bool = True
    message_id: str = ""
    thread_ref: str = ""


class NoteAdded(Event, frozen=True, kw_only=True):
    """An internal note; no clock moves."""

    ticket_id: str
    agent_id: str
    text: str
    thread_ref: str = ""


class StatusChanged(Event, frozen=True, kw_only=True):
    """`status` is one of `new open pending hold solved closed`."""

    ticket_id: str
    status: str
    agent_id: str = ""
    thread_ref: str = ""


class Transferred(Event, frozen=True, kw_only=True):
    """A ticket goes to another team, and to `to_agent` if one is named."""

    ticket_id: str
    to_team: str
    to_agent: str = ""
    agent_id: str = ""
    reason: str = ""
    thread_ref: str = ""


class TagCorrected(Event, frozen=True, kw_only=True):
    """A person corrects the why-tags; kept as training data."""

    ticket_id: str
    agent_id: str
    add: list[str] = []
    remove: list[str] = []
    thread_ref: str = ""
