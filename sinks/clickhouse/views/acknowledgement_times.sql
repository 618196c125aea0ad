-- How fast customers hear from us, by channel and brand: the average with its distribution and the longest wait.
CREATE OR REPLACE VIEW acknowledgement_times AS
SELECT
    channel,
    count() AS tickets,
    countIf(acknowledged_at IS NOT NULL) AS acknowledged,
    avgOrNull(seconds) AS seconds_average,
    quantileExactOrNull(0.5)(seconds) AS seconds_median,
    quantileExactOrNull(0.99)(seconds) AS seconds_p99,
    maxOrNull(seconds) AS seconds_longest,
    brand
FROM (
    SELECT channel, brand, acknowledged_at, dateDiff('microsecond', created_at, acknowledged_at) / 1e6 AS seconds
    FROM tickets FINAL
    WHERE NOT imported
)
GROUP BY channel, brand
ORDER BY channel, brand;
