-- One row per telephone call or chat that is over, and one per reason that a customer contacted us about again.
CREATE TABLE IF NOT EXISTS conversations (
    customer_tag   String,
    version        UInt64,
    partition      UInt16,
    at             DateTime64(6, 'UTC'),
    event_id       String,
    kind           LowCardinality(String),
    outcome        LowCardinality(String),
    ticket_id      String,
    channel        LowCardinality(String),
    team           LowCardinality(String),
    agent_id       LowCardinality(String),
    wait_seconds   Nullable(Float64),
    handle_seconds Nullable(Float64),
    imported       Bool
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(at)
ORDER BY (event_id)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS repeats (
    customer_tag String,
    version      UInt64,
    partition    UInt16,
    at           DateTime64(6, 'UTC'),
    event_id     String,
    tag          LowCardinality(String),
    ticket_id    String,
    previous_at  DateTime64(6, 'UTC'),
    seconds      Float64,
    channel      LowCardinality(String),
    team         LowCardinality(String),
    quadrant     LowCardinality(String),
    imported     Bool
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(at)
ORDER BY (event_id, tag)
SETTINGS non_replicated_deduplication_window = 1000;
