-- Why an agent was not there: `silent`, `missed_offers`; '' as it was reported, and in rows from before.
ALTER TABLE presences ADD COLUMN IF NOT EXISTS reason LowCardinality(String);

-- One row per offer of a ticket to an agent, and what became of it; one more per answer that came when it was over (`late`). By the
-- month of the offer, which stays: rows of one key only replace each other within a partition.
CREATE TABLE IF NOT EXISTS offers (
    customer_tag String,
    version      UInt64,
    partition    UInt16,
    at           DateTime64(6, 'UTC'),
    offer_id     String,
    ticket_id    String,
    team         LowCardinality(String),
    agent_id     LowCardinality(String),
    outcome      LowCardinality(String),
    offered_at   DateTime64(6, 'UTC'),
    expires_at   Nullable(DateTime64(6, 'UTC')),
    ended_at     Nullable(DateTime64(6, 'UTC')),
    channel      LowCardinality(String),
    reason       LowCardinality(String),
    brand        LowCardinality(String)
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(offered_at)
ORDER BY offer_id
SETTINGS non_replicated_deduplication_window = 1000;
