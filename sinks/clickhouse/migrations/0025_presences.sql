-- One row per stretch of time in which an agent's presence in a team was one and the same.
CREATE TABLE IF NOT EXISTS presences (
    customer_tag String,
    version      UInt64,
    partition    UInt16,
    at           DateTime64(6, 'UTC'),
    team         LowCardinality(String),
    agent_id     LowCardinality(String),
    since        DateTime64(6, 'UTC'),
    status       LowCardinality(String),
    busy         Bool,
    status_since DateTime64(6, 'UTC'),
    until        Nullable(DateTime64(6, 'UTC'))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(since)
ORDER BY (team, agent_id, since)
SETTINGS non_replicated_deduplication_window = 1000;
