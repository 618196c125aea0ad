-- The SLA ledger: one row per transition of a clock.
CREATE TABLE IF NOT EXISTS clocks (
    customer_tag             String,
    version                  UInt64,
    partition                UInt16,
    at                       DateTime64(6, 'UTC'),
    ticket_id                String,
    episode                  UInt32,
    clock                    LowCardinality(String),
    instance                 UInt32,
    transition               LowCardinality(String),
    sequence                 UInt32,
    detected_at              DateTime64(6, 'UTC'),
    policy                   LowCardinality(String),
    policy_version           LowCardinality(String),
    target_seconds           Nullable(Float64),
    due_at                   Nullable(DateTime64(6, 'UTC')),
    elapsed_seconds          Nullable(Float64),
    elapsed_business_seconds Nullable(Float64),
    channel                  LowCardinality(String),
    priority                 LowCardinality(String),
    team                     LowCardinality(String)
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(at)
ORDER BY (ticket_id, episode, clock, instance, transition, sequence)
SETTINGS non_replicated_deduplication_window = 1000;
