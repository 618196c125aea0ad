-- One row per time that an acknowledgement promised an answer by: one of an episode at most. By the month in which it was
-- given, which stays: rows of one key only replace each other within a partition.
CREATE TABLE IF NOT EXISTS promises (
    customer_tag String,
    version      UInt64,
    partition    UInt16,
    at           DateTime64(6, 'UTC'),
    ticket_id    String,
    episode      UInt32,
    channel      LowCardinality(String),
    outcome      LowCardinality(String),
    given_at     DateTime64(6, 'UTC'),
    promised_at  DateTime64(6, 'UTC'),
    answered_at  Nullable(DateTime64(6, 'UTC')),
    team         LowCardinality(String),
    policy       LowCardinality(String),
    brand        LowCardinality(String)
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(given_at)
ORDER BY (ticket_id, episode)
SETTINGS non_replicated_deduplication_window = 1000;
