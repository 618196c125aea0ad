-- Whom the seconds of each SLA clock are charged to.
CREATE TABLE IF NOT EXISTS clock_shares (
    customer_tag     String,
    version          UInt64,
    partition        UInt16,
    at               DateTime64(6, 'UTC'),
    ticket_id        String,
    episode          UInt32,
    clock            LowCardinality(String),
    team             LowCardinality(String),
    agent_id         LowCardinality(String),
    seconds          Float64,
    business_seconds Nullable(Float64),
    channel          LowCardinality(String),
    priority         LowCardinality(String),
    policy           LowCardinality(String),
    calendar         LowCardinality(String)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (ticket_id, episode, clock, team, agent_id)
SETTINGS non_replicated_deduplication_window = 1000;
