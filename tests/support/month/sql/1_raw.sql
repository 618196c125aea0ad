-- What the recomputation starts from: what happened (filled by the test), and what was promised (from policies.yaml).
CREATE TABLE raw_events (
    seq UInt64, kind String, at Int64, since Int64, ticket String, channel String, priority String, tier String,
    owner String, agent String, team String, status String, said String, outcome String, acknowledged String,
    csat UInt8, ces UInt8, episode UInt32, reasons Array(String), removed Array(String), thread String, customer String, into String, event String
) ENGINE = MergeTree ORDER BY seq;

CREATE TABLE policies (
    place UInt8, policy String, channels Array(String), priorities Array(String), tiers Array(String), calendar String
) ENGINE = MergeTree ORDER BY place;

CREATE TABLE targets (policy String, clock String, target Int64) ENGINE = MergeTree ORDER BY (policy, clock);

-- Reasons for which it is bad to hear from a customer again.
CREATE TABLE bad_news (reason String) ENGINE = MergeTree ORDER BY reason;

-- Every minute of the time in question, whether it is a working minute, and how many working minutes came before it.
-- 3 and 6 April 2026 are Good Friday and Easter Monday; the other public holidays of England are not near.
CREATE TABLE minutes ENGINE = MergeTree ORDER BY (calendar, minute) AS
SELECT
    calendar,
    minute,
    is_open,
    sum(toInt64(is_open)) OVER (PARTITION BY calendar ORDER BY minute) - is_open AS before
FROM
(
    SELECT
        arrayJoin(['office', 'phones']) AS calendar,
        toInt64(number + {first_minute}) AS minute,
        toDateTime(minute * 60, 'Europe/London') AS wall,
        toDayOfWeek(wall) AS day,
        toHour(wall) AS hour,
        toDate(wall) NOT IN ('2026-04-03', '2026-04-06')
            AND multiIf(calendar = 'office', day <= 5 AND hour BETWEEN 9 AND 17,
                        day <= 5, hour BETWEEN 8 AND 19,
                        day = 6 AND hour BETWEEN 10 AND 15) AS is_open
    FROM numbers({number_of_minutes})
);
