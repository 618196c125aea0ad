"""The Kafka topics of a deployment: name, key, partitions, retention, cleanup and dead-letter topic.

Topics are created from here before any process starts (`python -m deploy.local topics`), never by the broker. All topics keyed by
customer tag have the same partition count, so that one customer is one totally ordered log everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas import events, facts, published

DAY_MS = 24 * 3600 * 1000
PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class Topic:
    """Declares one topic. `key` says what the record key is; `retention_ms` -1 keeps for ever; `dlq` names the dead-letter topic.

    partitions  1 is exactly one; any other count is that of the deployment (`DESKSTREAM_PARTITIONS`)
    configs     further settings of the topic that the code relies on
    """

    name: str
    key: str
    partitions: int = PARTITIONS
    retention_ms: int = -1
    cleanup: str = "delete"
    dlq: str = ""
    configs: tuple[tuple[str, str], ...] = ()


#: Personal data is kept for three years at most; states and figures are in the changelogs and in ClickHouse.
CONTACT_EVENTS = Topic("contact-events", "customer tag", retention_ms=3 * 365 * DAY_MS, dlq="contact-events.dlq")
ROUTING = Topic("routing", "team", retention_ms=30 * DAY_MS, dlq="routing.dlq")
#: Which tags contacts got. One key: only all of them together tell a rate of a few an hour from its treble (ADR 45).
TAG_COUNTS = Topic("tag-counts", "`tags`", retention_ms=30 * DAY_MS, dlq="routing.dlq")
TICKET_FACTS = Topic("ticket-facts", "customer tag", retention_ms=30 * DAY_MS, dlq="facts.dlq")
CONTACT_FACTS = Topic("contact-facts", "customer tag", retention_ms=30 * DAY_MS, dlq="facts.dlq")
TAG_FACTS = Topic("tag-facts", "customer tag", retention_ms=30 * DAY_MS, dlq="facts.dlq")
CLOCK_FACTS = Topic("clock-facts", "customer tag", retention_ms=30 * DAY_MS, dlq="facts.dlq")
SURVEY_FACTS = Topic("survey-facts", "customer tag", retention_ms=30 * DAY_MS, dlq="facts.dlq")
PANE_FACTS = Topic("pane-facts", "customer tag", retention_ms=30 * DAY_MS, dlq="facts.dlq")
CHAT_SIGNALS = Topic("chat-signals", "customer tag", retention_ms=600_000, dlq="contact-events.dlq")
OUTBOUND = Topic("outbound", "customer tag", retention_ms=30 * DAY_MS, dlq="outbound.dlq")
DELIVERIES = Topic("deliveries", "customer tag", retention_ms=30 * DAY_MS, dlq="facts.dlq")
#: The newest record of each address is kept for ever: what was learned of it outlives the mails.
SUPPRESSIONS = Topic("suppressions", "address key", partitions=1, cleanup="compact", dlq="facts.dlq")
#: One log of all versions of the rules (ADR 15). The broker's own time says which of them came in time.
RULES = Topic(
    "rules",
    "version",
    partitions=1,
    configs=(("message.timestamp.type", "LogAppendTime"), ("max.message.bytes", "5000000")),
)

#: Fingerprints of the secrets that names are made with, so that no process uses others (`schemas/secret_check.py`).
SECRETS = Topic("secrets", "`tags`", partitions=1)

DEAD_LETTERS: tuple[Topic, ...] = tuple(
    Topic(name, "that of the record that failed", retention_ms=90 * DAY_MS)
    for name in ("contact-events.dlq", "routing.dlq", "facts.dlq", "outbound.dlq")
)

FACT_TOPICS: tuple[Topic, ...] = (
    TICKET_FACTS,
    CONTACT_FACTS,
    TAG_FACTS,
    CLOCK_FACTS,
    SURVEY_FACTS,
    PANE_FACTS,
    DELIVERIES,
    SUPPRESSIONS,
)

TOPICS: tuple[Topic, ...] = (
    CONTACT_EVENTS,
    ROUTING,
    TAG_COUNTS,
    *FACT_TOPICS,
    OUTBOUND,
    CHAT_SIGNALS,
    RULES,
    SECRETS,
    *DEAD_LETTERS,
)

#: Where each kind of record is written. A topic may carry several kinds: readers tell them apart by fingerprint.
TOPIC_OF: dict[type, Topic] = {
    **dict.fromkeys(events.EVENTS, CONTACT_EVENTS),
    events.PresenceChanged: ROUTING,
    events.RoutingUpdate: ROUTING,
    events.TeamConfigured: ROUTING,
    events.RosterChanged: ROUTING,
    events.TagsCounted: TAG_COUNTS,
    events.NotificationRequested: TAG_COUNTS,  # there one partition sees the whole desk
    events.TypingChanged: CHAT_SIGNALS,
    facts.TicketFact: TICKET_FACTS,
    facts.AssignmentFact: TICKET_FACTS,
    facts.FollowerNotice: TICKET_FACTS,
    facts.AutomationFact: TICKET_FACTS,
    facts.OfferFact: TICKET_FACTS,
    facts.PresenceFact: TICKET_FACTS,  # beside the assignments; it has no customer, so its key is the team
    facts.ContactFact: CONTACT_FACTS,
    facts.AcknowledgementFact: CONTACT_FACTS,
    facts.TagFact: TAG_FACTS,
    facts.SpikeFact: TAG_FACTS,  # beside the tags that it counts; its key is the tag
    facts.SuggestionFact: TAG_FACTS,
    facts.ClockFact: CLOCK_FACTS,
    facts.TicketClocks: CLOCK_FACTS,
    facts.ClockShare: CLOCK_FACTS,
    facts.PromiseFact: CLOCK_FACTS,
    facts.SurveyFact: SURVEY_FACTS,
    facts.PaneFact: PANE_FACTS,
    facts.PaneBucketFact: PANE_FACTS,
    facts.Outbound: OUTBOUND,
    facts.DeliveryFact: DELIVERIES,
    facts.WebhookDelivered: DELIVERIES,
    facts.MailReport: OUTBOUND,
    facts.SuppressionFact: SUPPRESSIONS,
    facts.InvitationFact: SURVEY_FACTS,
    facts.FollowUpFact: TICKET_FACTS,
    facts.ResolutionFact: TICKET_FACTS,
    facts.ConversationFact: CONTACT_FACTS,
    facts.RepeatFact: CONTACT_FACTS,
    published.IncidentChanged: RULES,
    published.RulesPublished: RULES,
    published.SecretsRegistered: SECRETS,
}


def changelog(app_id: str, table: str) -> Topic:
    """Returns the changelog topic of one state table, named as Faust names it."""
    return Topic(f"{app_id}-{table}-changelog", "state key", cleanup="compact")


#: The state tables of the stream processors.
STATE_TABLES = ("tickets", "routing", "spikes")
