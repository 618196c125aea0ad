"""Declares every Prometheus metric with its unit and labels: one place, so that rules, dashboards and code agree.

Names are `deskstream_<noun>_<unit>[_total]`. Labels are bounded: never a ticket, a customer or free text.
`deploy/prometheus/METRICS.md` is made of this file by `make generate`.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from schemas.service_metrics import ServiceMetric

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
#: Of answers of people: from the seconds of a chat to a week.
_ANSWERS = (
    *(30, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE),
    *(_HOUR, 2 * _HOUR, 4 * _HOUR, 8 * _HOUR, 12 * _HOUR, _DAY, 2 * _DAY, 3 * _DAY, 7 * _DAY),
)
_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

# producers: received = published + duplicates + dead-lettered, always
CONTACTS_RECEIVED = Counter("deskstream_contacts_received_total", "Inputs a producer took from its source", ["channel"])
CONTACTS_PUBLISHED = Counter("deskstream_contacts_published_total", "Inputs durable in Kafka", ["channel"])
CONTACTS_DUPLICATE = Counter("deskstream_contacts_duplicate_total", "Inputs already published", ["channel"])
CONTACTS_DEAD_LETTERED = Counter(
    "deskstream_contacts_dead_lettered_total", "Inputs that cannot become an event", ["channel", "reason"]
)
CONTACTS_REFUSED = Counter(
    "deskstream_contacts_refused_total",
    "Requests turned away with a reason and not taken from the source",
    ["channel", "reason"],
)
LISTENER_CONNECTIONS = Gauge(
    "deskstream_listener_connections", "Open connections of strangers: http, smtp, lmtp, chat", ["listener"]
)
LISTENER_BYTES = Gauge(
    "deskstream_listener_bytes", "Bytes of requests and mails that a producer holds and has not answered", ["listener"]
)
OLD_PROOFS = Counter(
    "deskstream_old_proofs_total",
    "Requests that were proved by a scheme which goes away with the next release: signature_v1, kiosk_token, sms_status",
    ["scheme"],
)
for _scheme in ("signature_v1", "kiosk_token", "sms_status"):
    OLD_PROOFS.labels(_scheme)
KEYS_REFUSED = Gauge(
    "deskstream_keys_refused", "1 while the file of keys is invalid or missing, and the keys of before are in force"
)
HELP_ARTICLES = Gauge("deskstream_help_articles", "Articles of the help centre that are served", ["language"])
for _language in ("en", "zh-Hans", "zh-Hant", "ja"):
    HELP_ARTICLES.labels(_language)
HELP_ARTICLES_REFUSED = Gauge(
    "deskstream_help_articles_refused", "Articles of the help centre that are invalid: left out, or as they were before"
)
REPLIES_REFUSED = Gauge(
    "deskstream_replies_refused",
    "1 while the directory of prewritten answers and wording is invalid, and what was read before is in force",
)
PUBLISH_SECONDS = Histogram(
    "deskstream_publish_seconds", "From received to durable in Kafka", ["channel"], buckets=_FAST
)
SOURCE_CONNECTED = Gauge("deskstream_source_connected", "1 while a mailbox or other source answers", ["source"])
CERTIFICATE_EXPIRY_SECONDS = Gauge(
    "deskstream_certificate_expiry_timestamp_seconds",
    "When the certificate that is in use ends, Unix time",
    ["listener"],
)
CREDENTIAL_EXPIRY_SECONDS = Gauge(
    "deskstream_credential_expiry_timestamp_seconds",
    "When a client secret or refresh token of a mailbox or of the outgoing mail server ends, as configured, Unix time",
    ["source", "credential"],
)
OAUTH_TOKEN_REQUESTS = Counter(
    "deskstream_oauth_token_requests_total",
    "Requests for access tokens of mail servers by outcome: issued, refused, unavailable",
    ["source", "outcome"],
)
MAILBOX_MAILS = Counter(
    "deskstream_mailbox_mails_total",
    "Mails taken from each mailbox by outcome: published, duplicate, dead_lettered",
    ["source", "outcome"],
)
ATTACHMENTS = Counter(
    "deskstream_attachments_total", "Attachments by outcome: stored, known, or why not stored", ["outcome"]
)

DIRECTORY_LOOKUPS = Counter(
    "deskstream_directory_lookups_total",
    "Look-ups of customers: found, unknown, cached, stale, timeout, error, or open (not asked, it fails)",
    ["outcome"],
)
DIRECTORY_SECONDS = Histogram("deskstream_directory_seconds", "Time of one request to the directory", buckets=_FAST)

CHAT_SOCKETS = Gauge("deskstream_chat_sockets", "Open connections of visitors")
CHAT_CONVERSATIONS = Gauge("deskstream_chat_conversations", "Conversations of this process", ["phase"])
CHAT_ENDED = Counter("deskstream_chat_ended_total", "Conversations that ended here", ["outcome"])
CHAT_FREE = Gauge("deskstream_chat_free", "Conversations that can begin now, by the presence facts of the router")
CHAT_OPEN = Gauge("deskstream_chat_open", "1 within the business hours of chat, whether or not it is offered")
CHAT_OFFERED = Gauge("deskstream_chat_offered", "1 while a visitor can begin a conversation")
CHAT_LINE_SECONDS = Histogram(
    "deskstream_chat_line_seconds", "From a visitor's line read to its acknowledgement sent", buckets=_FAST
)
CHAT_SAID = Counter("deskstream_chat_said_total", "Outgoing lines forwarded to an open connection")

# stream processors
RECORDS_PROCESSED = Counter("deskstream_records_processed_total", "Records folded", ["agent"])
RECORDS_SKIPPED = Counter("deskstream_records_skipped_total", "Records already folded before a restart", ["agent"])
RECORDS_DEAD_LETTERED = Counter(
    "deskstream_records_dead_lettered_total",
    "Records that a worker sent to the dead-letter topic. Kind: refused (nothing of ours is wrong), undecodable, defect",
    ["agent", "stage", "reason", "kind"],
)
OUTPUTS_WRITTEN = Counter("deskstream_outputs_written_total", "Records written by a worker", ["agent"])
BATCH_SECONDS = Histogram("deskstream_batch_seconds", "Time of one partition batch", ["agent", "phase"], buckets=_FAST)
BATCH_RECORDS = Histogram(
    "deskstream_batch_records",
    "Records in one partition batch",
    ["agent"],
    buckets=(1, 3, 10, 30, 100, 300, 1000, 3000),
)
LAG_RECORDS = Gauge("deskstream_lag_records", "Records behind the end of the log", ["agent", "partition"])
LAST_COMMIT_SECONDS = Gauge(
    "deskstream_last_commit_timestamp_seconds", "Wall time of the last acknowledged batch", ["agent"]
)
WATCHDOG_LOOK_SECONDS = Gauge(
    "deskstream_watchdog_look_timestamp_seconds",
    "Wall time at which the brokers last told the watchdog the committed offsets",
    ["agent"],
)
TICKS_APPENDED = Counter(
    "deskstream_ticks_appended_total", "Ticks appended to the log, one for each deadline that was due", ["agent"]
)
DEADLINES_PENDING = Gauge("deskstream_deadlines_pending", "Deadlines whose tick is not appended yet", ["agent"])

# customer service (ADR 17): imported history moves none of these. Counters move once the record that they count is
# durable. Gauges are computed at the scrape, over the partitions that the process holds then and has read (`registry` is
# None: `stream_processors.runtime.metrics` exports them). Sum them over processes; of the longest wait take the maximum.
SLA_MET = Counter(
    ServiceMetric.SLA_MET,
    "Clocks fulfilled within their target",
    ["clock", "policy", "channel", "team", "priority"],
)
SLA_BREACHED = Counter(
    ServiceMetric.SLA_BREACHED,
    "Clocks whose deadline passed while they were not fulfilled",
    ["clock", "policy", "channel", "team", "priority"],
)
SLA_CORRECTED = Counter(
    ServiceMetric.SLA_CORRECTED,
    "Breaches withdrawn by late evidence, under the labels of the breach; such a clock counts as met, too",
    ["clock", "policy", "channel", "team", "priority"],
)
FIRST_RESPONSE_SECONDS = Histogram(
    ServiceMetric.FIRST_RESPONSE_SECONDS,
    "From a customer's first message to the first public answer of a person, calendar time",
    ["channel", "team"],
    buckets=_ANSWERS,
)
CSAT_ANSWERS = Counter(ServiceMetric.CSAT_ANSWERS, "CSAT scores given, 1 to 5", ["channel", "team", "score"])
BRANDS_UNKNOWN = Counter(
    ServiceMetric.BRANDS_UNKNOWN,
    "Events that name a brand which the rules in force do not have; they are taken for the default brand's",
    ["channel"],
)
TAGS_APPLIED = Counter(
    ServiceMetric.TAGS_APPLIED,
    "Why-tags put on tickets, by the taxonomy, the suggester or a person; the team owns the tag",
    ["tag", "quadrant", "team"],
)
TAG_SUGGESTIONS = Counter(
    ServiceMetric.TAG_SUGGESTIONS,
    "Suggestions of why-tags: tagged (certain), shown (less so), or known, removed or unknown when they came",
    ["outcome", "language"],
)
ACKNOWLEDGEMENTS = Counter(
    ServiceMetric.ACKNOWLEDGEMENTS,
    "Decisions to acknowledge: sent, or suppressed and why",
    ["channel", "outcome", "reason"],
)
UNTRANSLATED = Counter(
    ServiceMetric.UNTRANSLATED,
    "Acknowledgements without a text in the language wanted: `locale` is the language used, `template` what lacks (`email.vip`)",
    ["language", "locale", "template"],
)
PROMISES = Counter(
    ServiceMetric.PROMISES,
    "Times by which an acknowledgement promised an answer: kept, broken, or corrected (a broken one that counts as kept, too)",
    ["outcome", "channel", "team", "brand"],
)
ASSIGNMENTS = Counter(
    ServiceMetric.ASSIGNMENTS,
    "Decisions of the router: given to an agent (least_open, previous_agent), or taken back (agent_offline, agent_silent, "
    "agent_left, left_alone)",
    ["team", "channel", "reason"],
)
OVERFLOWS = Counter(
    ServiceMetric.OVERFLOWS, "Tickets that waited too long in a team and left for its fallback", ["team", "channel"]
)
AUTOMATIONS = Counter(
    ServiceMetric.AUTOMATIONS,
    "Actions of rules in automations.yaml, done, or withheld for a reason",
    ["rule", "action", "outcome", "reason"],
)
OFFERS = Counter(
    ServiceMetric.OFFERS,
    "Offers of tickets to agents that ended: accepted, declined, missed, withdrawn; and answers that came when they had (late)",
    ["outcome", "team", "channel"],
)
TICKETS_OPEN = Gauge(
    ServiceMetric.TICKETS_OPEN,
    "Tickets that are neither solved nor closed: new, open, pending or hold",
    ["channel", "team", "priority", "status"],
    registry=None,
)
TICKETS_AT_RISK = Gauge(
    ServiceMetric.TICKETS_AT_RISK,
    "Running clocks before their deadline, under the highest threshold (50, 75, 90 % of the target) that they passed",
    ["clock", "channel", "team", "threshold"],
    registry=None,
)
TICKETS_OVERDUE = Gauge(
    ServiceMetric.TICKETS_OVERDUE,
    "Running clocks past their deadline: breached and not fulfilled yet",
    ["clock", "channel", "team", "priority"],
    registry=None,
)
LONGEST_WAIT_SECONDS = Gauge(
    ServiceMetric.LONGEST_WAIT_SECONDS,
    "Age of the oldest customer message that no person has answered; absent when nobody waits; the maximum over processes",
    ["channel", "team"],
    registry=None,
)
BACKLOG_AGE_SECONDS = Gauge(
    ServiceMetric.BACKLOG_AGE_SECONDS,
    "Sum of the ages of the open tickets since their creation; divided by deskstream_tickets_open it is their mean age",
    ["channel", "team"],
    registry=None,
)
WINDOW_CSAT_SCORE_SUM = Gauge(
    ServiceMetric.WINDOW_CSAT_SCORE_SUM,
    "Sum of the CSAT scores of the last 5m, 1h, 24h or 7d, in whole panes of five minutes of event time",
    ["window", "channel", "team"],
    registry=None,
)
WINDOW_CSAT_ANSWERS = Gauge(
    ServiceMetric.WINDOW_CSAT_ANSWERS,
    "CSAT scores given in the last 5m, 1h, 24h or 7d; the sum of the scores divided by it is the mean",
    ["window", "channel", "team"],
    registry=None,
)
AGENTS = Gauge(
    ServiceMetric.AGENTS,
    "Agents by the status that they reported last: online, away or offline; those who never reported do not count",
    ["team", "status"],
    registry=None,
)
AGENTS_BUSY = Gauge(
    ServiceMetric.AGENTS_BUSY,
    "Agents online who hold a ticket that waits on us; divided by the agents online it is the occupancy now",
    ["team"],
    registry=None,
)
TAG_SPIKE_CONTACTS = Gauge(
    ServiceMetric.TAG_SPIKE_CONTACTS,
    "Contacts with a tag since its spike began; no value when there is none. Empty brand: of all brands",
    ["tag", "brand", "quadrant", "team"],
    registry=None,
)
TAG_SPIKE_EXPECTED = Gauge(
    ServiceMetric.TAG_SPIKE_EXPECTED,
    "Contacts with that tag that are usual in the same time",
    ["tag", "brand", "quadrant", "team"],
    registry=None,
)
QUEUE_TICKETS = Gauge(
    ServiceMetric.QUEUE_TICKETS,
    "Tickets that wait in the queue of a team for an agent",
    ["team", "channel"],
    registry=None,
)
PRESENCE_SOURCES_SILENT = Gauge(
    ServiceMetric.PRESENCE_SOURCES_SILENT,
    "Help desks that report nobody of a team any more although agents are on shift: none of these is timed out meanwhile",
    ["team"],
    registry=None,
)
FIGURES_READY = Gauge(
    ServiceMetric.FIGURES_READY,
    "1 when all states of a partition are counted; until then the other gauges leave the partition out",
    ["partition"],
    registry=None,
)

# the rules of the stream processors
RULES_INFO = Gauge("deskstream_rules_info", "1, with the version of the rules in force as label", ["version"])
RULES_EFFECTIVE = Gauge(
    "deskstream_rules_effective_timestamp_seconds",
    "Pipeline time at which the rules in force took effect; 0: always in force",
)
RULES_REFUSED = Counter(
    "deskstream_rules_refused_total",
    "Rules that did not take effect: invalid (in the directory), late, undecodable or unreadable (published)",
    ["reason"],
)
RULES_INVALID = Gauge("deskstream_rules_invalid", "1 while the directory of rules is invalid")
RULES_UNPUBLISHED = Gauge(
    "deskstream_rules_unpublished", "1 while the directory of rules differs from the rules published last"
)

# sinks
ROWS_WRITTEN = Counter("deskstream_rows_written_total", "Rows inserted into ClickHouse", ["table"])
INSERT_SECONDS = Histogram("deskstream_insert_seconds", "Time of one insert", ["table"], buckets=_FAST)
VISIBLE_SECONDS = Histogram(
    "deskstream_visible_seconds",
    "From received by a producer to a row that can be queried, wall seconds",
    buckets=(*_FAST, 30, 60),
)
INSERT_RETRIES = Counter("deskstream_insert_retries_total", "Inserts tried again", ["table", "reason"])
SINK_LAG_RECORDS = Gauge("deskstream_sink_lag_records", "Records behind the end of the log", ["sink", "topic"])
SINK_PAUSED = Gauge("deskstream_sink_paused", "1 while the target does not answer", ["sink"])
SINK_DEAD_LETTERED = Counter(
    "deskstream_sink_dead_lettered_total",
    "Records a sink could not use. Kind: refused (a bounce, a receiver that refuses), undecodable, defect",
    ["sink", "reason", "kind"],
)
DELIVERIES = Counter("deskstream_deliveries_total", "Messages handed to a customer's channel", ["channel", "outcome"])
FIRST_TIME_RECIPIENTS = Counter(
    "deskstream_first_time_recipients_total",
    "Acknowledgements to addresses that did not prove themselves, or to accounts, that had none before: let_through, or held_back",
    ["channel", "outcome"],
)
MAIL_REPORTS = Counter(
    "deskstream_mail_reports_total",
    "Bounces and complaints about our mail: suppressed an address, noted, or unknown (about no mail that we sent there)",
    ["outcome"],
)
SUPPRESSIONS = Counter("deskstream_suppressions_total", "Addresses that were suppressed, by reason", ["reason"])
DELIVERY_SECONDS = Histogram("deskstream_delivery_seconds", "From decided to handed over", ["channel"], buckets=_FAST)
WEBHOOK_DELIVERIES = Counter(
    "deskstream_webhook_deliveries_total", "Attempts to hand a fact to a subscriber", ["subscription", "outcome"]
)
WEBHOOK_SECONDS = Histogram(
    "deskstream_webhook_seconds", "Time of one attempt to hand a fact over", ["subscription"], buckets=(*_FAST, 30, 60)
)
WEBHOOK_BREAKER = Gauge(
    "deskstream_webhook_breaker_state", "0 closed, 1 half-open, 2 open, 3 switched off by a 410", ["subscription"]
)

# every process
KAFKA_AWAY_SECONDS = Counter(
    "deskstream_kafka_away_seconds_total",
    "Seconds in which Kafka did not answer this process, or took nothing from it, since its last answer",
)
BUILD_INFO = Gauge("deskstream_build_info", "1, with the version as label", ["process", "version"])
