"""Records of the fact topics and of `outbound`, as frozen structs: everything that Deskstream concludes.

A fact is absolute: a full row with a deterministic id and `version` = the offset of the source record. Whoever
reads keeps the highest version. None means undefined and is never 0.
"""

from __future__ import annotations

from schemas.facts.automations import AutomationFact
from schemas.facts.base import Fact
from schemas.facts.clocks import ClockFact, ClockShare, PromiseFact, TicketClocks
from schemas.facts.contacts import (
    AcknowledgementFact,
    ContactFact,
    ConversationFact,
    RepeatFact,
    SuggestionFact,
    TagFact,
)
from schemas.facts.deliveries import DeliveryFact, MailReport, Outbound, SuppressionFact, WebhookDelivered
from schemas.facts.routing import AssignmentFact, FollowerNotice, OfferFact, PresenceFact
from schemas.facts.spikes import SpikeFact
from schemas.facts.surveys import FollowUpFact, InvitationFact, SurveyFact
from schemas.facts.tickets import ResolutionFact, TicketFact
from schemas.facts.windows import PaneBucketFact, PaneFact

__all__ = [
    "FACTS",
    "AcknowledgementFact",
    "AssignmentFact",
    "AutomationFact",
    "ClockFact",
    "ClockShare",
    "ContactFact",
    "ConversationFact",
    "DeliveryFact",
    "Fact",
    "FollowUpFact",
    "FollowerNotice",
    "InvitationFact",
    "MailReport",
    "OfferFact",
    "Outbound",
    "PaneBucketFact",
    "PaneFact",
    "PresenceFact",
    "PromiseFact",
    "RepeatFact",
    "ResolutionFact",
    "SpikeFact",
    "SuggestionFact",
    "SuppressionFact",
    "SurveyFact",
    "TagFact",
    "TicketClocks",
    "TicketFact",
    "WebhookDelivered",
]

FACTS: tuple[type[Fact], ...] = (
    TicketFact,
    ContactFact,
    AcknowledgementFact,
    TagFact,
    ClockFact,
    TicketClocks,
    ClockShare,
    SurveyFact,
    AssignmentFact,
    PaneFact,
    PaneBucketFact,
    Outbound,
    DeliveryFact,
    WebhookDelivered,
    InvitationFact,
    FollowUpFact,
    ResolutionFact,
    ConversationFact,
    RepeatFact,
    PresenceFact,
    PromiseFact,
    MailReport,
    SuppressionFact,
    FollowerNotice,
    SpikeFact,
    SuggestionFact,
    AutomationFact,
    OfferFact,
)
