-- The measures of each ticket, as of the moment for which the fact gives them.
CREATE TABLE spans ENGINE = MergeTree ORDER BY (ticket, measure, start) AS
WITH
    known AS (SELECT ticket_id AS ticket, toUnixTimestamp64Micro(at) AS asof FROM ticket_clocks FINAL),
    every AS (SELECT steps.*, asof FROM steps JOIN known USING (ticket))
SELECT ticket, measure, start, stop, calendar
FROM
(
    SELECT ticket, 'acknowledgement' AS measure, any(created) AS start, min(at) AS stop
    FROM every WHERE acknowledged = 'sent' GROUP BY ticket
    UNION ALL
    SELECT ticket, 'first_response', any(created), min(answered_at) FROM every WHERE answered_at > 0 GROUP BY ticket
    UNION ALL
    SELECT ticket, 'first_resolution', any(created), min(at)
    FROM every WHERE status = 'solved' AND status_before != 'solved' GROUP BY ticket
    UNION ALL
    SELECT ticket, 'full_resolution', any(created), max(at)
    FROM every WHERE status = 'solved' AND status_before != 'solved' GROUP BY ticket
    HAVING ticket IN (SELECT ticket FROM every GROUP BY ticket HAVING argMax(status, n) = 'solved')
    UNION ALL
    SELECT ticket, 'answer', argMin(rings.start, rings.n), argMin(answered_at, rings.n)
    FROM rings JOIN (SELECT ticket, n AS stop_n, answered_at FROM steps WHERE answered_at > 0) AS stops USING (ticket, stop_n)
    GROUP BY ticket
    UNION ALL
    SELECT ticket, 'next_response', waiting_before, answered_at
    FROM every WHERE answered_at > 0 AND waiting_before > 0 AND (replied_before > 0 OR episode > 1)
    UNION ALL
    -- of all waits for an answer, in the order in which they began, what no earlier one covers
    SELECT ticket, 'reply', greatest(start, covered), stop
    FROM
    (
        SELECT *, max(stop) OVER (PARTITION BY ticket ORDER BY start, stop ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS covered
        FROM
        (
            SELECT ticket, any(created) AS start, min(answered_at) AS stop FROM every WHERE answered_at > 0 GROUP BY ticket
            UNION ALL
            SELECT ticket, waiting_before, answered_at
            FROM every WHERE answered_at > 0 AND waiting_before > 0 AND (replied_before > 0 OR episode > 1)
        )
    )
    WHERE stop > greatest(start, covered) OR covered = 0
    UNION ALL
    SELECT ticket, arrayJoin(multiIf(status = 'new', ['new', 'agent_work', 'requester_wait'],
                                     status = 'open', ['open', 'agent_work', 'requester_wait'],
                                     status = 'hold', ['on_hold', 'requester_wait'], ['agent_wait'])),
           stands_since, least(until, asof)
    FROM stations JOIN known USING (ticket) WHERE is_open AND stands_since < least(until, asof)
    UNION ALL
    SELECT ticket, 'unassigned', stands_since, least(until, asof)
    FROM stations JOIN known USING (ticket) WHERE is_open AND agent = '' AND stands_since < least(until, asof)
) AS each JOIN opened USING (ticket);

CREATE TABLE our_measures ENGINE = MergeTree ORDER BY (ticket, measure) AS
WITH timed AS
(
    SELECT
        ticket, measure, spans.start AS start, spans.calendar AS calendar, stop - start AS micros,
        60000000 * (b.before - a.before) + if(b.is_open, stop - 60000000 * b.minute, 0)
            - if(a.is_open, start - 60000000 * a.minute, 0) AS business
    FROM spans
    LEFT JOIN minutes AS a ON a.calendar = spans.calendar AND a.minute = intDiv(start, 60000000)
    LEFT JOIN minutes AS b ON b.calendar = spans.calendar AND b.minute = intDiv(stop, 60000000)
)
SELECT ticket, measure, micros, if(calendar = '', NULL, business) AS business
FROM
(
    SELECT ticket, measure, any(calendar) AS calendar, sum(micros) AS micros, sum(business) AS business
    FROM timed WHERE measure != 'next_response' GROUP BY ticket, measure
    UNION ALL
    SELECT ticket, arrayJoin(['next_response_sum', 'next_response_longest', 'next_response_last']) AS measure, any(calendar),
           multiIf(measure = 'next_response_sum', sum(timed.micros), measure = 'next_response_longest', max(timed.micros),
                   argMax(timed.micros, start)),
           multiIf(measure = 'next_response_sum', sum(timed.business), measure = 'next_response_longest', max(timed.business),
                   argMax(timed.business, start))
    FROM (SELECT * FROM timed WHERE measure = 'next_response') AS timed GROUP BY ticket
    UNION ALL
    SELECT ticket, 'next_responses', '', toInt64(count()) , 0 FROM timed WHERE measure = 'next_response' GROUP BY ticket
);

-- States in which a ticket never was are 0 in the fact and no row above.
CREATE VIEW their_measures AS
SELECT ticket_id AS ticket, each.1 AS measure, toInt64(round(each.2 * 1000000)) AS micros,
       toInt64(round(each.3 * 1000000)) AS business
FROM ticket_clocks FINAL
ARRAY JOIN [
{measures}
    ('next_responses', nullIf(next_responses / 1000000, 0), CAST(NULL, 'Nullable(Float64)'))
] AS each
WHERE each.2 IS NOT NULL;
