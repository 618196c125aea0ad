"""Records of `contact-events` and `routing`, as frozen structs: everything that happens to a customer.

The Avro files in `avro/` are generated from these structs (`make generate`). Every time is microseconds since
1970 UTC (`Micros`). Every field that is not required has a default, which is what lets old and new versions
read each other.
"""

from __future__ import annotations

from schemas.events.agents import AgentReplied, NoteAdded, QuotedMessage, StatusChanged, TagCorrected, Transferred
from schemas.events.base import (
    CHANNELS,
    LOCALES,
    PRIORITIES,
    REPLAYED_AT,
    STATUSES,
    UNVERIFIED,
    VERIFICATIONS,
    Event,
    Micros,
    Tick,
)
from schemas.events.conversations import (
    CallAnswered,
    CallEnded,
    CallStarted,
    ChatEnded,
    TranscriptRequested,
    TypingChanged,
)
from schemas.events.customers import CustomersMerged, CustomersSplit, ErasureRequested, TicketAdopted
from schemas.events.messages import Attachment, ConsentChanged, DeliveryReported, MessageReceived
from schemas.events.orders import OrderChanged, OrderPlaced
from schemas.events.routing import Assigned, PresenceChanged, RoutingUpdate
from schemas.events.self_service import ArticleViewed, BotAnswered
from schemas.events.surveys import SurveyAnswered

__all__ = [
    "CHANNELS",
    "EVENTS",
    "LOCALES",
    "PRIORITIES",
    "REPLAYED_AT",
    "STATUSES",
    "UNVERIFIED",
    "VERIFICATIONS",
    "AgentReplied",
    "ArticleViewed",
    "Assigned",
    "Attachment",
    "BotAnswered",
    "CallAnswered",
    "CallEnded",
    "CallStarted",
    "ChatEnded",
    "ConsentChanged",
    "CustomersMerged",
    "CustomersSplit",
    "DeliveryReported",
    "ErasureRequested",
    "Event",
    "MessageReceived",
    "Micros",
    "NoteAdded",
    "OrderChanged",
    "OrderPlaced",
    "PresenceChanged",
    "QuotedMessage",
    "RoutingUpdate",
    "StatusChanged",
    "SurveyAnswered",
    "TagCorrected",
    "Tick",
    "TicketAdopted",
    "TranscriptRequested",
    "Transferred",
    "TypingChanged",
]

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
