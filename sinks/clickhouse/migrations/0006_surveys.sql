-- One row per answer to a satisfaction survey.
CREATE TABLE IF NOT EXISTS surveys (
    customer_tag String,
    version      UInt64,
    partition    UInt16,
    at           DateTime64(6, 'UTC'),
    ticket_id    String,
    survey_id    String,
    answer       UInt32,
    csat         Nullable(UInt8),
    ces          Nullable(UInt8),
    comment      String,
    channel      LowCardinality(String),
    team         LowCardinality(String),
    agent_id     LowCardinality(String)
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(at)
ORDER BY (survey_id, answer)
SETTINGS non_replicated_deduplication_window = 1000;
