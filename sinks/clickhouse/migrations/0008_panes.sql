-- Five minutes of one combination of dimensions, as absolute partials: sum over partitions and parts.
CREATE TABLE IF NOT EXISTS panes (
    customer_tag                  String,
    version                       UInt64,
    partition                     UInt16,
    at                            DateTime64(6, 'UTC'),
    part                          UInt64,
    start                         DateTime64(6, 'UTC'),
    channel                       LowCardinality(String),
    team                          LowCardinality(String),
    priority                      LowCardinality(String),
    policy                        LowCardinality(String),
    contacts_received             UInt32,
    tickets_created               UInt32,
    tickets_solved                UInt32,
    tickets_reopened              UInt32,
    messages_out                  UInt32,
    acknowledged                  UInt32,
    suppressed                    UInt32,
    first_responses               UInt32,
    first_response_seconds_sum    Float64,
    first_response_seconds_max    Float64,
    first_responses_within_target UInt32,
    resolutions                   UInt32,
    resolution_seconds_sum        Float64,
    clocks_met                    UInt32,
    clocks_breached               UInt32,
    csat_answers                  UInt32,
    csat_sum                      UInt64,
    csat_low                      UInt32,
    ces_answers                   UInt32,
    ces_sum                       UInt64,
    orders_placed                 UInt32,
    articles_viewed               UInt32
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(start)
ORDER BY (partition, part, start, channel, team, priority, policy)
SETTINGS non_replicated_deduplication_window = 1000;
