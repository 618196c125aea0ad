-- One row per spike of a tag: of all contacts (brand ''), and of those of one brand. By the month in which it began, which stays.
CREATE TABLE IF NOT EXISTS spikes (
    customer_tag   String,
    version        UInt64,
    partition      UInt16,
    at             DateTime64(6, 'UTC'),
    tag            LowCardinality(String),
    since          DateTime64(6, 'UTC'),
    detected_at    DateTime64(6, 'UTC'),
    contacts       UInt32,
    expected       Float64,
    ended_at       Nullable(DateTime64(6, 'UTC')),
    usual_per_hour Float64,
    dispersion     Float64,
    tickets        Array(String),
    quadrant       LowCardinality(String),
    valence        LowCardinality(String),
    owner_team     LowCardinality(String),
    brand          LowCardinality(String)
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(since)
ORDER BY (tag, brand, since)
SETTINGS non_replicated_deduplication_window = 1000;
