-- One row per address that a bounce or a complaint told something about. The address itself stands nowhere: `address_key` is a
-- keyed digest of it.
CREATE TABLE IF NOT EXISTS suppressions (
    customer_tag String,
    version      UInt64,
    partition    UInt16,
    at           DateTime64(6, 'UTC'),
    address_key  String,
    state        LowCardinality(String),
    reason       LowCardinality(String),
    error_code   LowCardinality(String),
    since        Nullable(DateTime64(6, 'UTC')),
    until        Nullable(DateTime64(6, 'UTC')),
    unsubscribed Bool,
    bounces      UInt32,
    ticket_id    String,
    brand        LowCardinality(String)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (address_key)
SETTINGS non_replicated_deduplication_window = 1000;
