-- One row per decision to acknowledge a contact or to stay silent, with the reason.
CREATE TABLE IF NOT EXISTS acknowledgements (
    customer_tag     String,
    version          UInt64,
    partition        UInt16,
    at               DateTime64(6, 'UTC'),
    event_id         String,
    ticket_id        String,
    episode          UInt32,
    channel          LowCardinality(String),
    outcome          LowCardinality(String),
    reason           LowCardinality(String),
    template         LowCardinality(String),
    template_version LowCardinality(String),
    locale           LowCardinality(String),
    promised_at      Nullable(DateTime64(6, 'UTC')),
    outbound_id      String
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(at)
ORDER BY (event_id)
SETTINGS non_replicated_deduplication_window = 1000;
