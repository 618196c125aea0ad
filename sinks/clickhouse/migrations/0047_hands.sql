-- By what the team of a ticket was chosen: `rule:NAME`, `owner`, `fallback`, `language`, `hours`, `transfer`, `overflow`; '' in rows from before.
ALTER TABLE tickets ADD COLUMN IF NOT EXISTS team_rule LowCardinality(String);
ALTER TABLE assignments ADD COLUMN IF NOT EXISTS team_rule LowCardinality(String);

-- One row per follower of a ticket who was told what became of it.
CREATE TABLE IF NOT EXISTS follower_notices (
    customer_tag String,
    version      UInt64,
    partition    UInt16,
    at           DateTime64(6, 'UTC'),
    ticket_id    String,
    episode      UInt32,
    agent_id     LowCardinality(String),
    outcome      LowCardinality(String),
    team         LowCardinality(String),
    by           LowCardinality(String),
    subject      String,
    brand        LowCardinality(String)
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(at)
ORDER BY (ticket_id, episode, agent_id, outcome)
SETTINGS non_replicated_deduplication_window = 1000;
