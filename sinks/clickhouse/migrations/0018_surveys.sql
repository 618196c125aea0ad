-- Surveys: what was asked, what was answered first and last, and who looks after a low score.
CREATE TABLE IF NOT EXISTS survey_invitations (
    customer_tag  String,
    version       UInt64,
    partition     UInt16,
    at            DateTime64(6, 'UTC'),
    ticket_id     String,
    episode       UInt32,
    survey_id     String,
    outcome       LowCardinality(String),
    reason        LowCardinality(String),
    channel       LowCardinality(String),
    team          LowCardinality(String),
    agent_id      LowCardinality(String),
    locale        LowCardinality(String),
    texts_version LowCardinality(String),
    outbound_id   String,
    solved_at     Nullable(DateTime64(6, 'UTC')),
    expires_at    Nullable(DateTime64(6, 'UTC'))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(at)
ORDER BY (ticket_id, episode)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS follow_ups (
    customer_tag String,
    version      UInt64,
    partition    UInt16,
    at           DateTime64(6, 'UTC'),
    ticket_id    String,
    episode      UInt32,
    survey_id    String,
    status       LowCardinality(String),
    opened_at    DateTime64(6, 'UTC'),
    csat         Nullable(UInt8),
    comment      String,
    channel      LowCardinality(String),
    team         LowCardinality(String),
    solved_by    LowCardinality(String),
    agent_id     LowCardinality(String),
    done_at      Nullable(DateTime64(6, 'UTC')),
    done_by      LowCardinality(String),
    done_seconds Nullable(Float64)
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(opened_at)
ORDER BY (ticket_id, episode)
SETTINGS non_replicated_deduplication_window = 1000;

ALTER TABLE surveys
    ADD COLUMN IF NOT EXISTS went_wrong String,
    ADD COLUMN IF NOT EXISTS episode UInt32,
    ADD COLUMN IF NOT EXISTS scanner Bool,
    ADD COLUMN IF NOT EXISTS first_csat Nullable(UInt8),
    ADD COLUMN IF NOT EXISTS first_ces Nullable(UInt8),
    ADD COLUMN IF NOT EXISTS thanked LowCardinality(String),
    ADD COLUMN IF NOT EXISTS follow_up Bool,
    ADD COLUMN IF NOT EXISTS imported Bool;
