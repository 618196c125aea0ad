-- One row per contact for which the suggester named another tag than the rules.
CREATE TABLE IF NOT EXISTS tag_suggestions (
    customer_tag String,
    version      UInt64,
    partition    UInt16,
    at           DateTime64(6, 'UTC'),
    contact_id   String,
    ticket_id    String,
    tag          LowCardinality(String),
    confidence   Float64,
    outcome      LowCardinality(String),
    model        LowCardinality(String),
    language     LowCardinality(String),
    channel      LowCardinality(String),
    brand        LowCardinality(String)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (contact_id)
SETTINGS non_replicated_deduplication_window = 1000;
