-- One row per why-tag on a ticket; `active` is false after a correction.
CREATE TABLE IF NOT EXISTS tags (
    customer_tag     String,
    version          UInt64,
    partition        UInt16,
    at               DateTime64(6, 'UTC'),
    ticket_id        String,
    tag              LowCardinality(String),
    active           Bool DEFAULT True,
    origin           LowCardinality(String) DEFAULT 'taxonomy',
    agent_id         LowCardinality(String),
    taxonomy_version LowCardinality(String),
    evidence         String,
    quadrant         LowCardinality(String),
    valence          LowCardinality(String),
    owner_team       LowCardinality(String),
    channel          LowCardinality(String)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (ticket_id, tag)
SETTINGS non_replicated_deduplication_window = 1000;
