"""What happens to a customer: the records of `contact-events` and `routing`, as frozen structs.

The Avro files in `avro/` are generated from these structs (`make generate`). Every time is microseconds since
1970 UTC (`Micros`). Every field that is not required has a default, which is what lets old and new versions
read each other.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

Micros = Annotated[int, msgspec.Meta(description="timestamp-micros")]

#: Of a message that was a dead letter, among its `fields`: when it was replayed, in micros. Until then nobody saw it.
REPLAYED_AT = "replayed_at"


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What every event carries.

    event_id      deterministic, from the source's own id: the same thing delivered twice is one event
    occurred_at   when it happened; SLA arithmetic uses this
    received_at   when a producer received it (pipeline clock)
    channel       `email chat sms social phone voicemail form help_centre bot in_person`, `` for none; checked by producers
    source        which producer instance, for people: `maildir:/var/mail/support`
    customer_tag  the record key; for `routing` records the customer the ticket belongs to
    imported      history: advances by its own timestamps, never by the wall clock, disturbs no live deadline
    causation_depth  how many automatic hops led here; guards against loops across channels
    """

    event_id: str
    occurred_at: Micros
    received_at: Micros
    customer_tag: str
    channel: str = ""
    source: str = ""
    imported: bool = False
    causation_depth: int = 0


class Attachment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A part of a message that is not its text; `reference` is where its bytes are stored, '' if nowhere."""

    name: str = ""
    media_type: str = "application/octet-stream"
    size_bytes: int = 0
    reference: str = ""


class MessageReceived(Event, frozen=True, kw_only=True):
    """A customer wrote or spoke to us.

    customer_id   canonical (`email:ann@example.org`)
    address       where to answer: an e-mail address, E.164 number, handle
    text          what they wrote now, quotes and signature removed
    full_text     everything, as plain text
    public        others can read it: a comment, a post
    ticket_ref    the ticket that the source proved it belongs to (recipient or subject token, our Message-ID), or ''
    thread_id     the channel's own thread or conversation id, or ''
    message_id, in_reply_to, references   e-mail threading, with angle brackets; in public, the network's id of what an
                  answer is to stand below
    recipients    addresses that it was sent to
    headers       only those that the loop guards read, names in lower case
    language      locale hint from the source (`en zh-Hans zh-Hant ja`), '' when unknown
    time_zone     the customer's, an IANA name, or ''
    tier          what the directory calls the customer: `vip`, for example
    priority      `low normal high urgent`, '' for normal
    fields        what else the source knows, as names and texts
    """

    customer_id: str
    address: str
    customer_name: str = ""
    subject: str = ""
    text: str = ""
    full_text: str = ""
    public: bool = False
    ticket_ref: str = ""
    thread_id: str = ""
    message_id: str = ""
    in_reply_to: str = ""
    references: list[str] = []
    recipients: list[str] = []
    headers: dict[str, str] = {}
    attachments: list[Attachment] = []
    language: str = ""
    time_zone: str = ""
    order_number: str = ""
    tier: str = ""
    priority: str = ""
    sent_at: Micros | None = None
    fields: dict[str, str] = {}


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


class Assigned(Event, frozen=True, kw_only=True):
    """The router's answer: written to the ticket's own partition. `agent_id` '' means given back to the queue."""

    ticket_id: str
    team: str
    agent_id: str
    queued_at: Micros | None = None
    reason: str = ""


class PresenceChanged(Event, frozen=True, kw_only=True):
    """An agent comes or goes; written to `routing`, key = team.

    status    `online away offline`
    capacity  how many tickets waiting on us the agent takes, by channel; `default` for the others
    """

    agent_id: str
    team: str
    status: str
    capacity: dict[str, int] = {}
    languages: list[str] = []
    skills: list[str] = []


class SurveyAnswered(Event, frozen=True, kw_only=True):
    """CSAT 1-5 and CES 1-7, each optional.

    went_wrong  what a low score was about, in the customer's words
    scanner     the vote looks like a machine's that opens every link
    episode     which time the ticket was solved, from 1; 0 when unknown
    agent_id    who solved it then: a late answer counts for them
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


class CallStarted(Event, frozen=True, kw_only=True):
    """A call rings. `call_id` is the telephone system's."""

    customer_id: str
    address: str
    call_id: str
    language: str = ""


class CallAnswered(Event, frozen=True, kw_only=True):
    """A person took a call; `wait_seconds` after it began to ring."""

    customer_id: str
    address: str
    call_id: str
    agent_id: str = ""
    wait_seconds: float = 0.0


class ConsentChanged(Event, frozen=True, kw_only=True):
    """A customer wants no more messages at this address (STOP), or wants them again (START), or asked what this is (HELP).

    wish      `stop start help`; `keyword` is the word they sent
    answered  the service that carries it has confirmed it already: we do not
    """

    customer_id: str
    address: str
    wish: str
    keyword: str = ""
    language: str = ""
    answered: bool = False


class DeliveryReported(Event, frozen=True, kw_only=True):
    """A carrier says what became of a message of ours. `status` is its own word, such as `delivered` or `failed`."""

    customer_id: str
    address: str
    message_id: str
    status: str
    error_code: str = ""


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


class TranscriptRequested(Event, frozen=True, kw_only=True):
    """A chat conversation is to be sent to the e-mail `address` of its customer; `transcript` is what was said."""

    customer_id: str
    address: str
    thread_id: str
    transcript: str
    customer_name: str = ""
    language: str = ""


class TypingChanged(Event, frozen=True, kw_only=True):
    """Somebody began or stopped writing in a chat: the visitor, or the agent if one is named. Kept for minutes."""

    thread_id: str
    on: bool
    agent_id: str = ""


class ArticleViewed(Event, frozen=True, kw_only=True):
    """Self-service: an article was read, or a search had no result (`article_id` '')."""

    customer_id: str
    article_id: str = ""
    query: str = ""
    language: str = ""
    results: int | None = None


class BotAnswered(Event, frozen=True, kw_only=True):
    """One turn of a bot: what it was asked and what it said. `resolved` when the customer said that it helped."""

    customer_id: str
    thread_id: str
    question: str = ""
    answer: str = ""
    article_id: str = ""
    language: str = ""
    resolved: bool = False


class OrderPlaced(Event, frozen=True, kw_only=True):
    """The denominator of the contact rate. `amount` in the currency's minor unit.

    order_number  what the customer calls it; `order_id` is the shop's own id, which it uses in what happens later
    """

    customer_id: str
    order_number: str
    amount: int = 0
    currency: str = ""
    products: list[str] = []
    order_id: str = ""


class OrderChanged(Event, frozen=True, kw_only=True):
    """An order was `cancelled` or `refunded`. `amount` is what is given back, in the currency's minor unit."""

    customer_id: str
    order_number: str
    change: str
    amount: int = 0
    currency: str = ""
    reason: str = ""
    order_id: str = ""


class Tick(Event, frozen=True, kw_only=True):
    """Time passed: appended by the worker when a deadline is due. `state_key` is the state whose deadline it is."""

    state_key: bytes = b""


class ErasureRequested(Event, frozen=True, kw_only=True):
    """The customer asked to be forgotten."""

    requested_by: str = ""


class CustomersMerged(Event, frozen=True, kw_only=True):
    """Two customers are one person: what `from_customer_id` has and will do belongs to `into_customer_id` from here on.

    Sources write it to the log of the former; the worker writes it on to the latter, with
    stamp   a Lamport time: of two decisions that contradict each other the later one counts
    known   what was known of the former, as an encoded state
    """

    from_customer_id: str
    into_customer_id: str
    agent_id: str = ""
    reason: str = ""
    stamp: int = 0
    known: bytes = b""


class CustomersSplit(Event, frozen=True, kw_only=True):
    """These tickets of `customer_id` belong to `to_customer_id`, who is a customer of their own from here on.

    Sources write it to the log of the former; the worker writes it on to the latter, with `stamp` as above.
    """

    customer_id: str
    to_customer_id: str
    ticket_ids: list[str] = []
    agent_id: str = ""
    reason: str = ""
    stamp: int = 0


class TicketAdopted(Event, frozen=True, kw_only=True):
    """A ticket goes to another customer, whose log this is; written by the worker only.

    ticket   its encoded state
    moves    how often it has changed hands, this time included
    version  at least that of every fact written about it so far
    """

    ticket_id: str
    from_customer_id: str
    into_customer_id: str
    ticket: bytes
    moves: int
    version: int
    agent_id: str = ""


class RoutingUpdate(Event, frozen=True, kw_only=True):
    """What the router must know of a ticket; written to `routing`, key = team.

    action  `queue` it needs a person · `busy` its agent holds it and it waits on us · `idle` it waits on the customer
            · `done` solved, closed or gone to another team
    skills     what the agent should be able to do; a preference while nobody on shift has them
    partition, version   where in `contact-events` the cause stands: an update below the highest seen
                         of its partition was written again after a crash; version -1 when unknown
    """

    ticket_id: str
    team: str
    action: str
    priority: str = "normal"
    language: str = ""
    eligible_at: Micros = 0
    agent_id: str = ""
    preferred_agent: str = ""
    skills: list[str] = []
    partition: int = 0
    version: int = -1


EVENTS: tuple[type[Event], ...] = (
    MessageReceived,
    AgentReplied,
    NoteAdded,
    StatusChanged,
    Transferred,
    TagCorrected,
    Assigned,
    PresenceChanged,
    SurveyAnswered,
    CallEnded,
    ArticleViewed,
    OrderPlaced,
    CallStarted,
    CallAnswered,
    ConsentChanged,
    DeliveryReported,
    BotAnswered,
    OrderChanged,
    ChatEnded,
    TranscriptRequested,
    TypingChanged,
    Tick,
    ErasureRequested,
    CustomersMerged,
    CustomersSplit,
    TicketAdopted,
    RoutingUpdate,
)

CHANNELS = ("email", "chat", "sms", "social", "phone", "voicemail", "form", "help_centre", "bot", "in_person")
STATUSES = ("new", "open", "pending", "hold", "solved", "closed")
PRIORITIES = ("low", "normal", "high", "urgent")
LOCALES = ("en", "zh-Hans", "zh-Hant", "ja")
