"""Facts of what happened on the timeline of a customer: contacts, acknowledgements, tags, conversations."""

from __future__ import annotations

from schemas.events import Micros
from schemas.facts.base import Fact


class ContactFact(Fact, frozen=True, kw_only=True):
    """One thing that happened on a customer's timeline. Id: `event_id`.

    kind       the event's name in snake case (`message_received`, `agent_replied`, ...)
    direction  `in out internal`
    verified   of what a customer did: how it was verified that they are who they say, one of `VERIFICATIONS`; '' otherwise
    third_party  the sender named this ticket and takes no part in it: nothing was changed, nobody is answered
    advice     of an answer: kinds of advice on its wording, one each
    """

    event_id: str
    kind: str
    direction: str
    received_at: Micros
    channel: str = ""
    source: str = ""
    ticket_id: str = ""
    author: str = ""
    subject: str = ""
    text: str = ""
    language: str = ""
    public: bool = False
    dissatisfied: bool = False
    opened_ticket: bool = False
    imported: bool = False
    order_number: str = ""
    amount: int | None = None
    detail: str = ""
    verified: str = ""
    third_party: bool = False
    brand: str = ""
    advice: list[str] = []


class AcknowledgementFact(Fact, frozen=True, kw_only=True):
    """One decision to acknowledge. Id: `event_id`. `outcome` is `sent suppressed`; `reason` says why suppressed."""

    event_id: str
    ticket_id: str
    episode: int
    channel: str
    outcome: str
    reason: str = ""
    template: str = ""
    template_version: str = ""
    locale: str = ""
    promised_at: Micros | None = None
    outbound_id: str = ""
    brand: str = ""


class TagFact(Fact, frozen=True, kw_only=True):
    """One why-tag on one ticket. Id: `ticket_id, tag`. `active` is false after a correction took it away."""

    ticket_id: str
    tag: str
    active: bool = True
    origin: str = "taxonomy"
    agent_id: str = ""
    taxonomy_version: str = ""
    evidence: str = ""
    quadrant: str = ""
    valence: str = ""
    owner_team: str = ""
    channel: str = ""
    brand: str = ""


class SuggestionFact(Fact, frozen=True, kw_only=True):
    """One suggestion of a why-tag for a contact. Id: `contact_id`.

    outcome  `tagged` certain, and on the ticket since · `shown` not certain enough · `known` the ticket had the tag ·
             `removed` a person took the tag away before · `unknown` the taxonomy in force does not have it
    """

    contact_id: str
    ticket_id: str
    tag: str
    confidence: float
    outcome: str
    model: str = ""
    language: str = ""
    channel: str = ""
    brand: str = ""


class ConversationFact(Fact, frozen=True, kw_only=True):
    """A telephone call or a chat that is over. Id: `event_id`, that of its end.

    kind            `call chat`
    outcome         `answered` by a person · `abandoned` before that by the customer · `voicemail missed timed_out`
    wait_seconds    until a person answered, or until the customer gave up
    handle_seconds  how long a person had it: talk time of a call; of a chat from the first answer to the end. NULL
                    where nobody had it, or where its beginning is not known
    """

    event_id: str
    kind: str
    outcome: str
    ticket_id: str = ""
    channel: str = ""
    team: str = ""
    agent_id: str = ""
    wait_seconds: float | None = None
    handle_seconds: float | None = None
    imported: bool = False
    brand: str = ""


class RepeatFact(Fact, frozen=True, kw_only=True):
    """A customer contacted us about a reason again within 7 days (`repeat_days` of the taxonomy). Id: `event_id, tag`.

    previous_at  when they last did; good news is no repeat
    """

    event_id: str
    tag: str
    ticket_id: str
    previous_at: Micros
    seconds: float
    channel: str = ""
    team: str = ""
    quadrant: str = ""
    imported: bool = False
    brand: str = ""
