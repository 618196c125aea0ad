-- Quantiles of durations (seconds) by window, channel, team, priority, policy, brand and measure (first_response,
-- next_response, resolution, answer, requester_wait, handled), each within 1 % of a real duration of that rank. Windows are
-- those of windows_{window}.
-- `sketch` is bucket → count. Sketches are merged with sumMap, over windows, teams, anything; the quantile q of n
-- durations is the value of the first bucket at which the running count exceeds q * (n - 1), and a bucket b > 0 is
-- worth 2 * γ^b / (γ + 1) milliseconds, γ = 101/99. For example, one p90 of the last day over all policies:
--   SELECT arrayCumSum(mapValues(sumMap(sketch)) AS counts) AS running, mapKeys(sumMap(sketch)) AS buckets,
--          buckets[arrayFirstIndex(passed -> passed > 0.9 * (arraySum(counts) - 1), running)] AS bucket,
--          if(bucket = 0, 0, 2 * pow(101 / 99, bucket) / (101 / 99 + 1) / 1000) AS p90
--   FROM quantiles_1h WHERE measure = 'first_response' AND window_start >= now() - INTERVAL 1 DAY
CREATE OR REPLACE VIEW quantiles_{window} AS
WITH
    101 / 99 AS growth,
    (share, buckets, counts) -> buckets[arrayFirstIndex(passed -> passed > share * (arraySum(counts) - 1), arrayCumSum(counts))] AS bucket_at,
    bucket -> if(bucket = 0, 0., 2 * pow(growth, bucket) / (growth + 1) / 1000) AS seconds
SELECT
    window_start,
    window_start + INTERVAL {interval} AS window_end,
    channel,
    team,
    priority,
    policy,
    measure,
    arraySum(mapValues(sketch)) AS measured,
    seconds(bucket_at(0.5, mapKeys(sketch), mapValues(sketch))) AS p50,
    seconds(bucket_at(0.9, mapKeys(sketch), mapValues(sketch))) AS p90,
    seconds(bucket_at(0.99, mapKeys(sketch), mapValues(sketch))) AS p99,
    sketch,
    brand
FROM
(
    SELECT
        toStartOfInterval(pane_buckets.start, INTERVAL {interval}) AS window_start,
        channel,
        team,
        priority,
        policy,
        brand,
        measure,
        mapFilter((each, times) -> times > 0, sumMap(map(bucket, toInt64(count)))) AS sketch
    FROM pane_buckets FINAL
    GROUP BY window_start, channel, team, priority, policy, brand, measure
    HAVING notEmpty(sketch)
);
