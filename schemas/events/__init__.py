"""Records of `contact-events` and `routing`, as frozen structs: everything that happens to a customer.

The Avro files in `avro/` are generated from these structs (`make generate`). Every time is microseconds since
1970 UTC (`Micros`). Every field that is not required has a default, which is what lets old and new versions
read each other.
"""

from __future__ import annotations

from schemas.events.agents import (
    AgentReplied,
    AssignmentChanged,
    FollowChanged,
    NoteAdded,
    OfferAnswered,
    PriorityChanged,
    QuotedMessage,
    StatusChanged,
    TagCorrected,
    TagSuggested,
    Transferred,
)
from schemas.events.automations import NotificationRequested
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
from schemas.events.routing import (
    AgentProfile,
    Assigned,
    Offered,
    Overflowed,
    PresenceChanged,
    RosterChanged,
    RoutingUpdate,
    TeamConfigured,
)
from schemas.events.self_service import ArticleViewed, BotAnswered
from schemas.events.surveys import SurveyAnswered
from schemas.events.tags import TagsCounted

__all__ = [
    "CHANNELS",
    "EVENTS",
    "LOCALES",
    "PRIORITIES",
    "REPLAYED_AT",
    "STATUSES",
    "UNVERIFIED",
    "VERIFICATIONS",
    "AgentProfile",
    "AgentReplied",
    "ArticleViewed",
    "Assigned",
    "AssignmentChanged",
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
    "FollowChanged",
    "MessageReceived",
    "Micros",
    "NoteAdded",
    "NotificationRequested",
    "OfferAnswered",
    "Offered",
    "OrderChanged",
    "OrderPlaced",
    "Overflowed",
    "PresenceChanged",
    "PriorityChanged",
    "QuotedMessage",
    "RosterChanged",
    "RoutingUpdate",
    "StatusChanged",
    "SurveyAnswered",
    "TagCorrected",
    "TagSuggested",
    "TagsCounted",
    "TeamConfigured",
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
    AssignmentChanged,
    PriorityChanged,
    FollowChanged,
    Overflowed,
    TeamConfigured,
    RosterChanged,
    TagsCounted,
    TagSuggested,
    NotificationRequested,
    Offered,
    OfferAnswered,
)
