-- Everything that windows count, one row each: when, and where it belongs (channel, team, priority, policy).
-- What a customer does counts where their ticket was before it; what we conclude of it, where it is afterwards.
CREATE TABLE happened ENGINE = MergeTree ORDER BY (figure, at) AS
WITH
    -- where a ticket was when it was solved; of a chat before that, when it ended
    known_as AS (SELECT ticket, episode, min(seq) AS known_seq, argMin(place, n) AS place FROM steps
                 WHERE (status = 'solved' AND status_before != 'solved')
                    OR (kind = 'ended' AND status != 'solved' AND (ticket, n) IN (SELECT ticket, n FROM talks WHERE outcome = 'answered'))
                 GROUP BY ticket, episode, kind = 'ended'),
    asked AS (SELECT ticket, episode, seq, kind, at, csat, ces, argMax(place, known_seq) AS place
              FROM (SELECT ticket, episode, seq, kind, at, csat, ces FROM raw_events WHERE kind IN ('survey', 'invited')) AS asking
              JOIN known_as USING (ticket, episode)
              WHERE known_seq < seq GROUP BY ticket, episode, seq, kind, at, csat, ces),
    solved_as AS (SELECT ticket, episode, argMin(place, n) AS place FROM steps
                  WHERE status = 'solved' AND status_before != 'solved' GROUP BY ticket, episode),
    waited AS (SELECT solved.ticket AS ticket, solved.n AS n, sum(if(stations.status IN ('new', 'open', 'hold'), until - stands_since, 0)) AS micros
               FROM (SELECT ticket, n FROM steps WHERE status = 'solved' AND status_before != 'solved') AS solved
               JOIN stations ON stations.ticket = solved.ticket WHERE stations.n < solved.n GROUP BY solved.ticket, solved.n),
    low AS (SELECT ticket, episode, seq, at FROM raw_events WHERE kind = 'survey' AND csat BETWEEN 1 AND 2)
SELECT at, place, arrayJoin(if(kind = 'message', ['contacts_received', 'messages_in'], ['contacts_received'])) AS figure, toInt64(1) AS value
FROM (SELECT at, kind, if(n = 1, place, place_before) AS place FROM steps WHERE kind IN ('message', 'call', 'voicemail'))
UNION ALL
SELECT at, place, 'tickets_created', 1 FROM steps WHERE n = 1
UNION ALL
SELECT at, place_before, 'tickets_reopened', 1 FROM steps WHERE episode > episode_before
UNION ALL
SELECT at, if(n = 1, place, (place_before.1, place_before.2, place.3, place_before.4)),
       if(acknowledged = 'sent', 'acknowledged', 'suppressed'), 1 FROM steps WHERE acknowledged != ''
UNION ALL
SELECT answered_at, place_before, 'messages_out', 1 FROM steps WHERE kind IN ('replied', 'spoken')
UNION ALL
SELECT at, place, 'transferred', 1 FROM steps WHERE kind = 'transferred'
UNION ALL
SELECT at, place, each.1, each.2
FROM (SELECT answered_at AS at, place, answered_at - created AS seconds, due FROM steps
      LEFT JOIN (SELECT ticket, due FROM breaches WHERE clock = 'would be due') AS late USING (ticket)
      WHERE answered_at > 0 AND replied_before = 0)
ARRAY JOIN [('first_responses', toInt64(1)), ('first_response_seconds_sum', seconds), ('first_response_seconds_max', seconds),
            ('first_responses_within_target', toInt64(due = 0 OR at < due))] AS each
UNION ALL
SELECT at, place, each.1, each.2
FROM (SELECT answered_at AS at, place, answered_at - waiting_before AS seconds FROM steps
      WHERE answered_at > 0 AND waiting_before > 0 AND (replied_before > 0 OR episode > 1))
ARRAY JOIN [('next_responses', toInt64(1)), ('next_response_seconds_sum', seconds), ('next_response_seconds_max', seconds)] AS each
UNION ALL
SELECT at, place_before, each.1, each.2
FROM (SELECT at, place_before, at - created AS seconds, micros FROM steps JOIN waited USING (ticket, n)
      WHERE status = 'solved' AND status_before != 'solved')
ARRAY JOIN [('tickets_solved', toInt64(1)), ('resolutions', toInt64(1)), ('resolution_seconds_sum', seconds),
            ('resolution_seconds_max', seconds), ('requester_waits', toInt64(1)), ('requester_wait_seconds_sum', micros),
            ('requester_wait_seconds_max', micros)] AS each
UNION ALL
SELECT stopped, place, 'clocks_met', 1
FROM (SELECT ticket, clock, episode, instance, stopped FROM our_clocks WHERE outcome = 'fulfil' AND breached_at = 0) AS met
JOIN (SELECT ticket, clock, episode, instance, stop_n AS n FROM instances) AS stops USING (ticket, clock, episode, instance)
JOIN steps USING (ticket, n)
UNION ALL
SELECT breached_at, argMax(place, n), 'clocks_breached', 1
FROM (SELECT ticket, clock, episode, instance, breached_at, told_n
      FROM our_clocks JOIN instances USING (ticket, clock, episode, instance) WHERE breached_at > 0) AS late JOIN steps USING (ticket)
WHERE stands_since < breached_at OR n = told_n GROUP BY ticket, clock, late.episode, instance, breached_at
UNION ALL
SELECT at, each.1, each.2, each.3
FROM steps
ARRAY JOIN [(place_last, 'backlog_change', toInt64(-1)), (place_last, 'backlog_created_change', -intDiv(created, 1000000)),
            (place, 'backlog_change', toInt64(1)), (place, 'backlog_created_change', intDiv(created, 1000000))] AS each,
           [open_before, open_before, is_open, is_open] AS counts
WHERE counts AND (open_before != is_open OR place != place_last)
UNION ALL
SELECT at, place, each.1, each.2
FROM asked
ARRAY JOIN [('surveys_answered', toInt64(1)), ('csat_answers', toInt64(csat > 0)), ('csat_sum', toInt64(csat)),
            ('csat_low', toInt64(csat BETWEEN 1 AND 2)), ('follow_ups', toInt64(csat BETWEEN 1 AND 2)),
            ('csat_1', toInt64(csat = 1)), ('csat_2', toInt64(csat = 2)), ('csat_3', toInt64(csat = 3)),
            ('csat_4', toInt64(csat = 4)), ('csat_5', toInt64(csat = 5)),
            ('ces_answers', toInt64(ces > 0)), ('ces_sum', toInt64(ces)),
            ('ces_1', toInt64(ces = 1)), ('ces_2', toInt64(ces = 2)), ('ces_3', toInt64(ces = 3)), ('ces_4', toInt64(ces = 4)),
            ('ces_5', toInt64(ces = 5)), ('ces_6', toInt64(ces = 6)), ('ces_7', toInt64(ces = 7))] AS each
WHERE kind = 'survey'
UNION ALL
SELECT at, place, 'surveys_answered_invited', 1 FROM asked
WHERE kind = 'survey' AND (ticket, episode) IN (SELECT ticket, episode FROM raw_events WHERE kind = 'invited')
UNION ALL
SELECT at, place, 'surveys_sent', 1 FROM asked WHERE kind = 'invited'
UNION ALL
SELECT min(later.at), any(solved_as.place), 'followed_up', 1  -- whatever a person does next with such a ticket
FROM low JOIN (SELECT ticket, seq, at FROM raw_events WHERE kind IN ('note', 'replied', 'status')) AS later USING (ticket)
JOIN solved_as USING (ticket, episode) WHERE later.seq > low.seq GROUP BY ticket, low.episode
UNION ALL
SELECT decided, place, if(fcr, 'fcr_kept', 'fcr_lost'), 1 FROM our_resolutions JOIN solves USING (ticket, episode) WHERE decided > 0
UNION ALL
SELECT at, (place.1, team, place.3, place.4), each.1, each.2
FROM talks
ARRAY JOIN [('answers', toInt64(1)), ('answer_seconds_sum', wait), ('answer_seconds_max', wait), ('abandoned', 1),
            ('abandoned_seconds_sum', wait), ('handled', 1), ('handled_seconds_sum', ifNull(talks.handled, 0)),
            ('handled_seconds_max', ifNull(talks.handled, 0))] AS each
WHERE (startsWith(each.1, 'answer') AND answered) OR (startsWith(each.1, 'abandoned') AND outcome = 'abandoned')
   OR (startsWith(each.1, 'handled') AND talks.handled IS NOT NULL)
UNION ALL
SELECT at, place, 'repeat_contacts', 1
FROM steps WHERE (ticket, n) IN (SELECT ticket, n FROM repeated)
UNION ALL
SELECT at, (channel, '', '', ''), multiIf(kind = 'order', 'orders_placed', kind = 'bot', 'deflected', 'articles_viewed'), 1
FROM raw_events WHERE kind IN ('order', 'article') OR (kind = 'bot' AND outcome = 'helped');

CREATE VIEW sizes AS SELECT * FROM VALUES('size String, seconds Int64', ('5m', 300), ('1h', 3600), ('24h', 86400), ('7d', 604800));

CREATE TABLE our_windows ENGINE = MergeTree ORDER BY (size, start_of) AS
SELECT size, toInt64(intDiv(at, 1000000 * seconds) * seconds) AS start_of, place.1 AS channel, place.2 AS team,
       place.3 AS priority, place.4 AS policy_of, figure, if(endsWith(figure, '_max'), max(value), sum(value)) AS value
FROM happened CROSS JOIN sizes
WHERE figure != 'backlog_created_change'
GROUP BY size, start_of, channel, team, priority, policy_of, figure
HAVING value != 0;

CREATE VIEW their_windows AS
SELECT size, toInt64(toUnixTimestamp(window_start)) AS start_of, channel, team, priority, policy AS policy_of, each.1 AS figure, each.2 AS value
FROM
(
{windows}
)
ARRAY JOIN figures AS each
WHERE value != 0;

-- Open tickets at the end of every window in which some came or went, and their ages, counted one by one.
CREATE TABLE our_backlog ENGINE = MergeTree ORDER BY (size, start_of) AS
SELECT size, start_of, place.1 AS channel, place.2 AS team, place.3 AS priority, place.4 AS policy_of, backlog, age_seconds
FROM
(
    SELECT size, toInt64(intDiv(at, 1000000 * seconds) * seconds) AS start_of, place
    FROM happened CROSS JOIN sizes
    WHERE startsWith(figure, 'backlog')
    GROUP BY size, start_of, place
    HAVING sumIf(value, figure = 'backlog_change') != 0 OR sumIf(value, figure = 'backlog_created_change') != 0
) AS moved
LEFT JOIN
(
    SELECT size, start_of, place, toInt64(sum(sign)) AS backlog,
           sum(sign * (start_of + seconds - intDiv(created, 1000000))) AS age_seconds
    FROM
    (
        -- By when things happened. What is heard of late moved the ticket before it had come there: until then, one less.
        SELECT size, seconds, place, created, if(next_at < at, -1, 1) AS sign,
               if(next_at = {end}, next_at + 1000000 * seconds, next_at) AS left_at,
               arrayJoin(range(intDiv(least(at, left_at), 1000000 * seconds) * seconds,
                               intDiv(greatest(at, left_at), 1000000) - seconds + 1, seconds)) AS start_of
        FROM steps CROSS JOIN sizes WHERE is_open
    )
    GROUP BY size, start_of, place
) AS counted USING (size, start_of, place);

CREATE VIEW their_backlog AS
SELECT size, toInt64(toUnixTimestamp(window_start)) AS start_of, channel, team, priority, policy AS policy_of,
       toInt64(backlog) AS backlog, toInt64(age_seconds_sum) AS age_seconds
FROM
(
{backlogs}
);

-- Quantiles of the durations themselves. The sketch may be off by 1 % of one (and counts milliseconds): then it agrees.
CREATE TABLE our_quantiles ENGINE = MergeTree ORDER BY (size, start_of) AS
SELECT size, toInt64(intDiv(at, 1000000 * seconds) * seconds) AS start_of, place.1 AS channel, place.2 AS team,
       place.3 AS priority, place.4 AS policy_of, replaceOne(figure, '_seconds_sum', '') AS measure,
       toInt64(count()) AS measured, arraySort(groupArray(value)) AS values,
       values[1 + intDiv(5 * (measured - 1), 10)] AS p50, values[1 + intDiv(9 * (measured - 1), 10)] AS p90,
       values[1 + intDiv(99 * (measured - 1), 100)] AS p99
FROM happened CROSS JOIN sizes
WHERE endsWith(figure, '_seconds_sum') AND figure != 'abandoned_seconds_sum'
GROUP BY size, start_of, channel, team, priority, policy_of, measure;

ALTER TABLE our_quantiles DROP COLUMN values;

CREATE VIEW their_quantiles AS
WITH (exact, read) -> if(abs(exact - read * 1000000) <= 0.0100001 * exact + 1000, exact, toInt64(read * 1000000)) AS same
SELECT ours.size AS size, ours.start_of AS start_of, ours.channel AS channel, ours.team AS team, ours.priority AS priority,
       ours.policy_of AS policy_of, ours.measure AS measure, toInt64(theirs.measured) AS measured,
       same(ours.p50, theirs.p50) AS p50, same(ours.p90, theirs.p90) AS p90, same(ours.p99, theirs.p99) AS p99
FROM
(
{quantiles}
) AS theirs
LEFT JOIN our_quantiles AS ours ON ours.size = theirs.size AND ours.start_of = toUnixTimestamp(window_start)
    AND ours.channel = theirs.channel AND ours.team = theirs.team AND ours.priority = theirs.priority
    AND ours.policy_of = theirs.policy AND ours.measure = theirs.measure;
