-- One row per attempt to hand a fact to a subscribed help desk.
CREATE TABLE IF NOT EXISTS webhook_deliveries (
    customer_tag String,
    version      UInt64,
    partition    UInt16,
    at           DateTime64(6, 'UTC'),
    delivery_id  String,
    subscription LowCardinality(String),
    fact         LowCardinality(String),
    fact_id      String,
    attempt      UInt32,
    outcome      LowCardinality(String),
    status       Nullable(UInt16),
    seconds      Float64,
    detail       String
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(at)
ORDER BY (delivery_id, at)
SETTINGS non_replicated_deduplication_window = 1000;
