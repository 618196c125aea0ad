-- One row per erasure that was carried out; it names nobody (ADR 52).
CREATE TABLE IF NOT EXISTS erasures (
    at           DateTime64(6, 'UTC'),
    requested_by String,
    customers    UInt32,
    records      UInt64,
    rows         UInt64,
    files        UInt64,
    seconds      Float64
)
ENGINE = MergeTree
ORDER BY at;
