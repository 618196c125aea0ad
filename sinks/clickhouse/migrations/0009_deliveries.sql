-- One row per message to a customer: what became of it.
CREATE TABLE IF NOT EXISTS deliveries (
    customer_tag String,
    version      UInt64,
    partition    UInt16,
    at           DateTime64(6, 'UTC'),
    outbound_id  String,
    ticket_id    String,
    channel      LowCardinality(String),
    kind         LowCardinality(String),
    outcome      LowCardinality(String),
    attempts     UInt32 DEFAULT 1,
    detail       String
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(at)
ORDER BY (outbound_id)
SETTINGS non_replicated_deduplication_window = 1000;
