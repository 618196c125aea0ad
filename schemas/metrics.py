"""Every Prometheus metric, with its unit and labels: one place, so that rules, dashboards and code agree.

Names are `deskstream_<noun>_<unit>[_total]`. Labels are bounded: never a ticket, a customer or free text.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

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
PUBLISH_SECONDS = Histogram(
    "deskstream_publish_seconds", "From received to durable in Kafka", ["channel"], buckets=_FAST
)
SOURCE_CONNECTED = Gauge("deskstream_source_connected", "1 while a mailbox or other source answers", ["source"])
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
CHAT_FREE = Gauge("deskstream_chat_free", "Conversations that could begin now, as the router reports")
CHAT_LINE_SECONDS = Histogram(
    "deskstream_chat_line_seconds", "From a visitor's line read to its acknowledgement sent", buckets=_FAST
)
CHAT_SAID = Counter("deskstream_chat_said_total", "Lines of ours forwarded to an open connection")

# stream processors
RECORDS_PROCESSED = Counter("deskstream_records_processed_total", "Records folded", ["agent"])
RECORDS_SKIPPED = Counter("deskstream_records_skipped_total", "Records already folded before a restart", ["agent"])
RECORDS_DEAD_LETTERED = Counter(
    "deskstream_records_dead_lettered_total",
    "Records that a worker sent to the dead-letter topic",
    ["agent", "stage", "reason"],
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
TICKS_APPENDED = Counter("deskstream_ticks_appended_total", "Deadlines appended to the log", ["agent"])
DEADLINES_PENDING = Gauge("deskstream_deadlines_pending", "Deadlines in the heap", ["agent"])

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
SINK_DEAD_LETTERED = Counter("deskstream_sink_dead_lettered_total", "Records a sink could not use", ["sink", "reason"])
DELIVERIES = Counter("deskstream_deliveries_total", "Messages handed to a customer's channel", ["channel", "outcome"])
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
BUILD_INFO = Gauge("deskstream_build_info", "1, with the version as label", ["process", "version"])
