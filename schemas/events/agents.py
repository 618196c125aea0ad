"""What agents do with a ticket: answer, note, change its status, team and tags."""

from __future__ import annotations

import msgspec

from schemas.events.base import Event, Micros
from schemas.events.messages import Attachment


class QuotedMessage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message of the conversation that a mail quotes below the answer; `at` is when it was written."""

    author: str = ""
    at: Micros | None = None
    text: str = ""


class AgentReplied(Event, frozen=True, kw_only=True):
    """A person answered. `public` answers go to the customer and stop the response clocks.

    thread_ref    here and below: instead of a `ticket_id`, which is '' then, the `thread_id` of the conversation. Who
                  imports a history, or has a help desk of its own, does not know our ticket ids.
    text          what channels without HTML carry; of an answer with `html` it says the same
    html          a fragment of the subset that `schemas.safe_html` lets through; its images are `cid:N`, the Nth attachment
    attachments   in the store of attachments, below the customer of the ticket
    cc, bcc       mailboxes that get the same mail; nobody but the mail server is told of `bcc`
    quoted        messages to quote below the answer, the newest first
    agent_name    by which the customer may know the agent; the signature of the team may name it
    advice        kinds of advice on its wording (`schemas.replies.wording.KINDS`), one each; producers fill it in

    Only a mail carries `html`, `attachments`, `cc`, `bcc` and `quoted`.
    """

    ticket_id: str
    agent_id: str
    text: str
    public: bool = True
    message_id: str = ""
    thread_ref: str = ""
    html: str = ""
    attachments: list[Attachment] = []
    cc: list[str] = []
    bcc: list[str] = []
    quoted: list[QuotedMessage] = []
    agent_name: str = ""
    advice: list[str] = []


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


class TagSuggested(Event, frozen=True, kw_only=True):
    """The suggester found the reason of a contact where the rules found none, or another one. `contact_id` is its event.

    confidence  the share of such suggestions that were right, as measured on messages that the model had not seen
    certain     it tags the ticket; otherwise it is only shown
    model       the version of the model
    contact_at  when the contact came; 0 when it is not known
    """

    ticket_id: str
    contact_id: str
    tag: str
    confidence: float
    certain: bool = False
    model: str = ""
    language: str = ""
    contact_at: Micros = 0


class AssignmentChanged(Event, frozen=True, kw_only=True):
    """An agent gives a ticket to somebody of its team, takes it, or gives it back to the queue.

    `to_agent` has it from now on, '' for nobody; `agent_id` is who says so. `from_agent` is who has it as far as they know:
    when somebody else has it by then it is refused. Who takes a ticket that another has must name them so.
    """

    ticket_id: str
    agent_id: str
    to_agent: str = ""
    from_agent: str = ""
    reason: str = ""
    thread_ref: str = ""


class PriorityChanged(Event, frozen=True, kw_only=True):
    """An agent sets the priority of a ticket, one of `low normal high urgent`; no rule changes it afterwards."""

    ticket_id: str
    agent_id: str
    priority: str
    reason: str = ""
    thread_ref: str = ""


class FollowChanged(Event, frozen=True, kw_only=True):
    """An agent follows a ticket, or follows it no more; followers are told what becomes of it."""

    ticket_id: str
    agent_id: str
    on: bool = True
    thread_ref: str = ""


class OfferAnswered(Event, frozen=True, kw_only=True):
    """An agent accepts the ticket that the router offers to them, or declines it.

    outcome  `accepted declined`; of the router, for who did neither: `missed`, or `withdrawn` when they are not there any more
    answers  of the router, as in `Assigned`
    """

    ticket_id: str
    agent_id: str
    outcome: str
    reason: str = ""
    answers: str = ""
    thread_ref: str = ""
