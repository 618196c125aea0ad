-- One row per time that a ticket was solved. By the month of the solve, which stays: rows of one key only replace each
-- other within a partition.
CREATE TABLE IF NOT EXISTS resolutions (
    customer_tag   String,
    version        UInt64,
    partition      UInt16,
    at             DateTime64(6, 'UTC'),
    ticket_id      String,
    episode        UInt32,
    solved_at      DateTime64(6, 'UTC'),
    decide_at      DateTime64(6, 'UTC'),
    channel        LowCardinality(String),
    team           LowCardinality(String),
    agent_id       LowCardinality(String),
    priority       LowCardinality(String),
    tags           Array(LowCardinality(String)),
    public_answers UInt32,
    fcr            Nullable(Bool),
    decided_at     Nullable(DateTime64(6, 'UTC')),
    reason         LowCardinality(String),
    imported       Bool
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(solved_at)
ORDER BY (ticket_id, episode)
SETTINGS non_replicated_deduplication_window = 1000;
