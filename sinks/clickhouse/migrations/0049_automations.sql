-- One row per action of a rule of automations.yaml that fired, done or withheld; `firing_id` is the same after a crash and in a replay.
CREATE TABLE IF NOT EXISTS automations (
    customer_tag  String,
    version       UInt64,
    partition     UInt16,
    at            DateTime64(6, 'UTC'),
    firing_id     String,
    ticket_id     String,
    rule          LowCardinality(String),
    trigger       LowCardinality(String),
    situation     String,
    action        LowCardinality(String),
    outcome       LowCardinality(String),
    target        LowCardinality(String),
    reason        LowCardinality(String),
    why           String,
    text          String,
    team          LowCardinality(String),
    channel       LowCardinality(String),
    brand         LowCardinality(String),
    depth         UInt32,
    rules_version LowCardinality(String)
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(at)
ORDER BY firing_id
SETTINGS non_replicated_deduplication_window = 1000;
