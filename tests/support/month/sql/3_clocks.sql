-- Every time that somebody waited for a person on the spot: since when, and with which step that ended. `stop_n` 0: it has not.
CREATE TABLE rings ENGINE = MergeTree ORDER BY (ticket, n) AS
WITH
    began AS
    (
        SELECT ticket, episode, n, at AS start, policy, toUInt32(0) AS called_n FROM steps WHERE rang_before = 0 AND rang > 0
        UNION ALL
        SELECT ticket, episode, n, since, policy, toUInt32(if(outcome = 'answered', n + 1, n)) FROM steps WHERE kind = 'call'
    ),
    over AS
    (
        SELECT began.*, if(called_n > 0, called_n, toUInt32(ended.n)) AS over_n,
               leadInFrame(n, 1, toUInt32(4000000000)) OVER (PARTITION BY ticket ORDER BY n ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING) AS again_n
        FROM began
        LEFT JOIN (SELECT ticket, rang_before, min(n) AS n FROM steps WHERE rang_before > 0 AND rang = 0 GROUP BY ticket, rang_before) AS ended
            ON ended.ticket = began.ticket AND ended.rang_before = began.start
    ),
    -- an answer from before they left may be heard of afterwards
    late AS
    (
        SELECT over.ticket AS ticket, over.n AS n, min(told.n) AS late_n, any(gone.left_at) AS heard_gone
        FROM over
        JOIN (SELECT ticket, n, at AS left_at FROM steps WHERE answered_at = 0) AS gone ON gone.ticket = over.ticket AND gone.n = over_n
        JOIN (SELECT ticket, n, answered_at FROM steps WHERE answered_at > 0) AS told ON told.ticket = over.ticket
        WHERE told.n > over_n AND told.n < again_n AND told.answered_at >= start AND told.answered_at <= left_at
        GROUP BY over.ticket, over.n
    )
SELECT over.ticket AS ticket, episode, over.n AS n, start, policy,
       toUInt32(row_number() OVER (PARTITION BY ticket, episode ORDER BY n)) AS instance, over_n,
       if(late_n > 0, late_n, over_n) AS stop_n, heard_gone AS left_at
FROM over LEFT JOIN late ON late.ticket = over.ticket AND late.n = over.n;

-- Every clock that ever ran: when it started, when and how it stopped. `stop_n` 0 is one that still runs.
CREATE TABLE instances ENGINE = MergeTree ORDER BY (ticket, clock, episode, instance) AS
WITH
    solves AS (SELECT ticket, episode, min(n) AS n FROM steps
               WHERE kind = 'status' AND status = 'solved' AND status_before != 'solved' GROUP BY ticket, episode),
    -- the first answer or the solve after a step, whichever is first
    ends AS (SELECT ticket, n FROM steps WHERE answered_at > 0 OR (kind = 'status' AND status IN ('solved', 'closed'))),
    started AS
    (
        SELECT ticket, arrayJoin(['first_response', 'requester_wait', 'agent_work', 'first_resolution',
                                  'full_resolution', 'acknowledgement']) AS clock,
               episode, toUInt32(1) AS instance, n, created AS start, policy, acknowledged = '' AS by_answer,
               toUInt32(0) AS ring_n, toUInt32(0) AS over_n, toInt64(0) AS left_at
        FROM steps WHERE n = 1
        UNION ALL
        SELECT ticket, arrayJoin(['requester_wait', 'agent_work', 'full_resolution']), episode, toUInt32(1), n, at, policy, 0, 0, 0, 0
        FROM steps WHERE episode > episode_before
        UNION ALL
        SELECT ticket, 'answer', episode, instance, n, start, policy, 0, stop_n, over_n, left_at FROM rings
        UNION ALL
        SELECT ticket, 'next_response', episode, toUInt32(row_number() OVER (PARTITION BY ticket, episode ORDER BY n)),
               n, waiting, policy, 0, 0, 0, 0
        FROM steps WHERE waiting_before = 0 AND waiting > 0 AND (replied_before > 0 OR episode > 1)
    )
SELECT
    started.ticket AS ticket, clock, started.episode AS episode, instance, started.n AS told_n,
    -- who rang before they wrote, waited since then, whichever we heard of first
    if(clock = 'next_response', least(started.start, if(last.waiting_before = 0, started.start, last.waiting_before)),
       started.start) AS start,
    started.policy AS policy, calendar, target,
    multiIf(clock = 'acknowledgement' AND NOT by_answer, started.n,
            clock = 'answer', ring_n,
            clock IN ('first_response', 'next_response', 'acknowledgement'), toUInt32(answered.first_end),
            toUInt32(solved.n)) AS stop_n,
    multiIf(stop_n = 0, 'running',
            clock = 'acknowledgement' AND NOT by_answer, if(last.acknowledged = 'sent', 'fulfil', 'cancel'),
            clock IN ('first_response', 'answer', 'next_response', 'acknowledgement'), if(last.answered_at > 0, 'fulfil', 'cancel'),
            'fulfil') AS outcome,
    multiIf(stop_n = 0, {end}, last.answered_at > 0, last.answered_at, last.at) AS stop,
    multiIf(stop_n = 0, {end}, left_at > 0, left_at, last.stands_since) AS heard_stop,
    -- of what we hear when it is over, nobody can be warned
    stop_n = started.n OR over_n = started.n OR (last.kind = 'spoken' AND stop_n = started.n + 1) AS told_when_over
FROM started
JOIN targets USING (policy, clock)
JOIN policies USING (policy)
LEFT JOIN (SELECT every.ticket AS ticket, every.n AS n, min(ends.n) AS first_end
           FROM (SELECT DISTINCT ticket, n FROM started) AS every JOIN ends ON ends.ticket = every.ticket
           WHERE ends.n > every.n GROUP BY every.ticket, every.n) AS answered
    ON answered.ticket = started.ticket AND answered.n = started.n
LEFT JOIN solves AS solved ON solved.ticket = started.ticket AND solved.episode = started.episode
LEFT JOIN steps AS last ON last.ticket = started.ticket AND last.n = stop_n;

-- The time that counts for each of them, piece by piece.
CREATE TABLE pieces ENGINE = MergeTree ORDER BY (ticket, clock, episode, instance, start) AS
SELECT ticket, clock, episode, instance, calendar, target, start, stop
FROM instances WHERE clock NOT IN ('requester_wait', 'agent_work')
UNION ALL
SELECT ticket, clock, episode, instance, calendar, target, stands_since, least(until, instances.stop)
FROM instances JOIN stations USING (ticket, episode)
WHERE stands_since < least(until, instances.stop)
  AND ((clock = 'requester_wait' AND status IN ('new', 'open', 'hold')) OR (clock = 'agent_work' AND status IN ('new', 'open')))
UNION ALL  -- who is on the telephone unheard of, is warned as before
SELECT ticket, concat('unheard ', clock), episode, instance, any(calendar), any(target), any(start), least(any(heard_stop), max(at)) AS stop
FROM (SELECT * FROM instances WHERE heard_stop > stop AND NOT told_when_over AND clock NOT IN ('requester_wait', 'agent_work')) AS unheard JOIN (SELECT ticket, n, at FROM steps) AS told USING (ticket)
WHERE n > told_n AND n <= stop_n GROUP BY ticket, clock, episode, instance
UNION ALL  -- until when a first answer would have been in time, however the ticket ended
SELECT ticket, 'would be due', episode, instance, calendar, target, start, {end}
FROM instances WHERE clock = 'first_response';

CREATE TABLE measured ENGINE = MergeTree ORDER BY (ticket, clock, episode, instance, start) AS
SELECT
    *,
    sum(own) OVER (PARTITION BY ticket, clock, episode, instance ORDER BY start
                   ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) - own AS own_before
FROM
(
    SELECT
        ticket, clock, episode, instance, pieces.calendar AS calendar, target, start, stop,
        stop - start AS micros,
        60000000 * a.before + if(a.is_open, start - 60000000 * a.minute, 0) AS worked_until_start,
        if(pieces.calendar = '', 0,
           60000000 * b.before + if(b.is_open, stop - 60000000 * b.minute, 0) - worked_until_start) AS business,
        if(pieces.calendar = '', micros, business) AS own
    FROM pieces
    LEFT JOIN minutes AS a ON a.calendar = pieces.calendar AND a.minute = intDiv(start, 60000000)
    LEFT JOIN minutes AS b ON b.calendar = pieces.calendar AND b.minute = intDiv(stop, 60000000)
);

-- The instants at which so many percent of the target were used up; of working time, in the last open minute with less before it.
CREATE TABLE marks ENGINE = MergeTree ORDER BY (ticket, clock, episode, instance, percent) AS
SELECT
    ticket, clock, episode, instance, percent, part,
    if(late.calendar = '', start + left_over, 60000000 * open.minute + worked - 60000000 * open.before) AS at
FROM
(
    SELECT *, intDiv(target * percent, 100) AS part, part - own_before AS left_over, worked_until_start + left_over AS worked,
           toInt64(intDiv(worked - 1, 60000000)) AS before_it
    FROM (SELECT *, arrayJoin(arrayPushBack({at_risk}, 100)) AS percent FROM measured) AS every
    WHERE own_before < part AND own_before + own >= part
) AS late
LEFT JOIN (SELECT * FROM minutes WHERE is_open) AS open
    ON open.calendar = late.calendar AND open.before = late.before_it
WHERE at < {end};

CREATE VIEW breaches AS SELECT ticket, clock, episode, instance, at AS due FROM marks WHERE percent = 100;

-- Every warning: when it was due, and how much of the clock's own time had passed by then. (A call that rang before a
-- message that came first moves a start by less than a minute: no warning is due so soon.)
CREATE TABLE our_warnings ENGINE = MergeTree ORDER BY (ticket, clock, episode, instance, threshold) AS
SELECT DISTINCT ticket, clock, episode, instance, percent AS threshold, at, part AS passed, toUInt64(1) AS times
FROM (SELECT * REPLACE (replaceOne(clock, 'unheard ', '') AS clock) FROM marks) AS marks JOIN (SELECT ticket, clock, episode, instance FROM instances WHERE NOT told_when_over) AS lasted USING (ticket, clock, episode, instance)
WHERE percent < 100;

CREATE VIEW their_warnings AS
SELECT
    ticket_id AS ticket, clock, episode, instance, threshold,
    any(toUnixTimestamp64Micro(clocks.at)) AS at,
    toInt64(round(any(if(calendar = '', elapsed_seconds, elapsed_business_seconds)) * 1000000)) AS passed,
    count() AS times
FROM clocks FINAL WHERE transition = 'at_risk'
GROUP BY ticket, clock, episode, instance, threshold;

CREATE TABLE our_clocks ENGINE = MergeTree ORDER BY (ticket, clock, episode, instance) AS
SELECT
    ticket, clock, episode, instance, policy, target, outcome,
    instances.start AS start,
    if(stop_n = 0, 0, instances.stop) AS stopped,
    due AS breached_at,
    if(stop_n = 0, 0, micros) AS elapsed,
    if(stop_n = 0 OR calendar = '', NULL, business) AS elapsed_business
FROM instances
LEFT JOIN breaches USING (ticket, clock, episode, instance)
LEFT JOIN (SELECT ticket, clock, episode, instance, sum(micros) AS micros, sum(business) AS business
           FROM measured GROUP BY ticket, clock, episode, instance) AS sums USING (ticket, clock, episode, instance);

-- What the ledger says; of what was corrected, the last word.
CREATE VIEW their_clocks AS
SELECT
    ticket_id AS ticket, clock, episode, instance,
    any(clocks.policy) AS policy,
    toInt64(round(any(target_seconds) * 1000000)) AS target,
    multiIf(countIf(transition = 'fulfil') > 0, 'fulfil', countIf(transition = 'cancel') > 0, 'cancel', 'running') AS outcome,
    toUnixTimestamp64Micro(minIf(at, transition IN ('activate', 'correct'))) AS start,
    if(outcome = 'running', 0, toUnixTimestamp64Micro(argMaxIf(at, sequence, transition IN ('fulfil', 'cancel')))) AS stopped,
    if(countIf(transition = 'breach') = countIf(transition = 'correct' AND at < due_at), 0,  -- withdrawn
       maxIf(toUnixTimestamp64Micro(at), transition = 'breach')) AS breached_at,
    if(outcome = 'running', 0, toInt64(round(argMaxIf(elapsed_seconds, sequence, transition IN ('fulfil', 'cancel')) * 1000000))) AS elapsed,
    toInt64(round(argMaxIf(elapsed_business_seconds, sequence, transition IN ('fulfil', 'cancel')) * 1000000)) AS elapsed_business
FROM clocks FINAL
GROUP BY ticket, clock, episode, instance;
