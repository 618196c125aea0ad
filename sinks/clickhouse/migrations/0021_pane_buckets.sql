-- Quantiles of durations that can be merged: counts of buckets whose width grows with the duration (ADR 17).
CREATE TABLE IF NOT EXISTS pane_buckets (
    customer_tag String,
    version      UInt64,
    partition    UInt16,
    at           DateTime64(6, 'UTC'),
    part         UInt64,
    start        DateTime64(6, 'UTC'),
    measure      LowCardinality(String),
    bucket       UInt16,
    count        UInt32,
    channel      LowCardinality(String),
    team         LowCardinality(String),
    priority     LowCardinality(String),
    policy       LowCardinality(String)
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(start)
ORDER BY (start, measure, channel, team, priority, policy, partition, part, bucket)
SETTINGS non_replicated_deduplication_window = 1000;
