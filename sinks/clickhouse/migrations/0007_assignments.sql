-- One row per assignment or transfer.
CREATE TABLE IF NOT EXISTS assignments (
    customer_tag String,
    version      UInt64,
    partition    UInt16,
    at           DateTime64(6, 'UTC'),
    event_id     String,
    ticket_id    String,
    team         LowCardinality(String),
    agent_id     LowCardinality(String),
    reason       LowCardinality(String),
    wait_seconds Nullable(Float64)
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(at)
ORDER BY (event_id)
SETTINGS non_replicated_deduplication_window = 1000;
