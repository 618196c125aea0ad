-- One row per thing that happened on a customer's timeline.
CREATE TABLE IF NOT EXISTS contacts (
    customer_tag  String,
    version       UInt64,
    partition     UInt16,
    at            DateTime64(6, 'UTC'),
    event_id      String,
    kind          LowCardinality(String),
    direction     LowCardinality(String),
    received_at   DateTime64(6, 'UTC'),
    channel       LowCardinality(String),
    source        LowCardinality(String),
    ticket_id     String,
    author        String,
    subject       String,
    text          String,
    language      LowCardinality(String),
    public        Bool,
    dissatisfied  Bool,
    opened_ticket Bool,
    imported      Bool,
    order_number  String,
    amount        Nullable(Int64),
    detail        String,
    INDEX by_customer customer_tag TYPE bloom_filter GRANULARITY 4,
    INDEX by_ticket ticket_id TYPE bloom_filter GRANULARITY 4
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(at)
ORDER BY (event_id)
SETTINGS non_replicated_deduplication_window = 1000;
