-- What each ticket was about, before and after each event: what was found, added and not taken away.
CREATE TABLE about ENGINE = MergeTree ORDER BY (ticket, n) AS
SELECT ticket, rows[n].1 AS n, arraySort(after[n].1) AS tags, arrayConcat(walk.3[n].1, walk.3[n].2) AS known
FROM
(
    SELECT ticket, rows, walk, arrayPushBack(arrayPopFront(walk.3), (walk.1, walk.2)) AS after
    FROM
    (
        SELECT
            ticket, arraySort(groupArray((n, kind, arrayDistinct(reasons), removed))) AS rows,
            arrayFold(
                (s, r) -> (
                    -- 1 what it is about
                    if(r.2 = 'tagged', arrayConcat(arrayFilter(x -> NOT has(r.4, x), s.1), arrayFilter(x -> NOT has(s.1, x), r.3)),
                       arrayConcat(s.1, arrayFilter(x -> NOT has(s.1, x) AND NOT has(s.2, x), r.3))),
                    -- 2 what a person took away, which is not found again
                    if(r.2 = 'tagged', arrayDistinct(arrayConcat(arrayFilter(x -> NOT has(r.3, x), s.2), r.4)), s.2),
                    -- 3 both before each event
                    arrayPushBack(s.3, (s.1, s.2))
                ),
                rows,
                CAST(([], [], []), 'Tuple(Array(String), Array(String), Array(Tuple(Array(String), Array(String))))')
            ) AS walk
        FROM steps GROUP BY ticket
    )
)
ARRAY JOIN arrayEnumerate(rows) AS n;

-- What each contact was about. Who writes again in a conversation contacts us anew only about what it was not about so far.
CREATE TABLE reasons ENGINE = MergeTree ORDER BY (customer, reason, at) AS
SELECT
    ticket, customer, n, seq, at, opens,
    arrayJoin(if(opens, arrayDistinct(reasons), arrayFilter(each -> NOT has(known, each), arrayDistinct(reasons)))) AS reason
FROM
(
    SELECT *, n = 1 OR episode > episode_before AS opens FROM steps JOIN about USING (ticket, n)
)
WHERE kind IN ('message', 'call', 'voicemail');

-- Who is one person with whom, from which moment on: nobody has more than three names.
CREATE TABLE same ENGINE = MergeTree ORDER BY (customer, name) AS
WITH found AS (SELECT customer AS one, into AS other, seq FROM raw_events WHERE kind = 'merged'
               UNION ALL SELECT into, customer, seq FROM raw_events WHERE kind = 'merged')
SELECT one AS customer, other AS name, min(seq) AS since
FROM
(
    SELECT one, other, seq FROM found
    UNION ALL
    SELECT a.one, b.other, greatest(a.seq, b.seq) FROM found AS a JOIN found AS b ON a.other = b.one WHERE a.one != b.other
    UNION ALL
    SELECT DISTINCT customer, customer, toUInt64(0) FROM raw_events
)
GROUP BY customer, name;

-- Contacts that open or reopen a ticket about a reason for which the same person contacted us lately.
CREATE TABLE repeated ENGINE = MergeTree ORDER BY (ticket, n) AS
SELECT again.ticket AS ticket, again.n AS n, again.at AS at, again.reason AS reason, max(before.at) AS previous
FROM (SELECT reasons.*, name, since FROM reasons JOIN same USING (customer) WHERE opens) AS again
JOIN reasons AS before ON before.customer = again.name AND before.reason = again.reason
WHERE before.seq < again.seq AND again.since < again.seq AND again.reason IN (SELECT reason FROM bad_news)
GROUP BY ticket, n, at, reason
HAVING previous > at - {repeat} AND previous < at;

CREATE VIEW our_repeats AS SELECT ticket, at AS again_at, reason AS tag, previous, toUInt64(1) AS times FROM repeated;

CREATE VIEW their_repeats AS
SELECT ticket_id AS ticket, toUnixTimestamp64Micro(repeats.at) AS again_at, tag,
       any(toUnixTimestamp64Micro(previous_at)) AS previous, count() AS times
FROM repeats FINAL GROUP BY ticket, again_at, tag;

-- How often people had answered in this episode, with each answer and at the solve. A chat is one answer, whatever its
-- lines; what is written when it is over, is another.
CREATE TABLE counted ENGINE = MergeTree ORDER BY (ticket, episode, n) AS
SELECT
    ticket, episode, n, seq, at, kind,
    toInt64(length(groupUniqArrayIf(if(channel = 'chat' AND goes_on != '', goes_on, toString(n)), kind IN ('replied', 'spoken'))
        OVER (PARTITION BY ticket, episode ORDER BY n))) AS answers
FROM steps
QUALIFY kind IN ('replied', 'spoken') OR (status = 'solved' AND status_before != 'solved');

CREATE TABLE solves ENGINE = MergeTree ORDER BY (ticket, episode) AS
SELECT
    ticket, splitByChar('-', ticket)[1] AS customer, episode, seq, at AS solved, at + {resolution} AS decide, place,
    if(by = '', agent, by) AS solver, answers, tags
FROM
(
    SELECT * FROM steps JOIN about USING (ticket, n)
) AS every
JOIN (SELECT ticket, n, answers FROM counted) AS answered USING (ticket, n)
WHERE status = 'solved' AND status_before != 'solved';

-- What was solved was about something else, as a person found afterwards: since when each is taken to be about what.
CREATE TABLE solved_about ENGINE = MergeTree ORDER BY (ticket, episode, since) AS
SELECT *, leadInFrame(since, 1, toUInt64(18446744073709551615)) OVER (
           PARTITION BY ticket, episode ORDER BY since ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING) AS until
FROM
(
    SELECT ticket, episode, seq AS since, solved AS at, tags FROM solves
    UNION ALL
    SELECT steps.ticket, steps.episode, steps.seq, steps.at, about.tags
    FROM (SELECT * FROM steps WHERE kind = 'tagged') AS steps JOIN about USING (ticket, n)
    JOIN (SELECT ticket, episode, seq AS solved_seq FROM solves) AS before ON before.ticket = steps.ticket AND before.episode = steps.episode
    WHERE steps.seq > solved_seq
);

-- Who contacted us, when, about what, and when we knew: of what a person found, later.
CREATE TABLE contacted ENGINE = MergeTree ORDER BY (customer, reason) AS
SELECT ticket, customer, seq, at, at AS known_at, reason FROM reasons
UNION ALL
SELECT steps.ticket, customer, steps.seq, created, steps.at, arrayJoin(arrayFilter(each -> has(tags, each), steps.reasons))
FROM (SELECT * FROM steps WHERE kind = 'tagged') AS steps JOIN about USING (ticket, n);

-- Whatever showed that it was no first contact resolution, the first of it.
CREATE TABLE falsified ENGINE = MergeTree ORDER BY (ticket, episode) AS
SELECT ticket, episode, min(found.seq) AS seq, argMin(at, found.seq) AS at, argMin(why, (found.seq, why)) AS why
FROM
(
    SELECT ticket, episode, seq, solved AS at, 'several_answers' AS why FROM solves WHERE answers > 1
    UNION ALL
    SELECT ticket, episode, counted.seq, counted.at, 'several_answers'
    FROM counted JOIN solves USING (ticket, episode)
    WHERE counted.kind IN ('replied', 'spoken') AND counted.seq > solves.seq AND counted.answers > 1 AND counted.at < decide
    UNION ALL
    SELECT ticket, solves.episode, steps.seq, steps.at, 'reopened'
    FROM steps JOIN solves USING (ticket)
    WHERE steps.episode > steps.episode_before AND steps.episode_before = solves.episode AND steps.at < decide
    UNION ALL
    -- what is found out when it was decided takes back what was kept, and nothing else
    SELECT solves.ticket, solves.episode, again.seq, known_at, 'contacted_again'
    FROM (SELECT contacted.*, name, since FROM contacted JOIN same USING (customer)) AS again JOIN solves ON solves.customer = again.name
    JOIN solved_about ON solved_about.ticket = solves.ticket AND solved_about.episode = solves.episode
    LEFT JOIN (SELECT ticket, episode, max(counted.answers) AS answered FROM counted JOIN solves USING (ticket, episode)
               WHERE counted.at < decide GROUP BY ticket, episode) AS in_time
        ON in_time.ticket = solves.ticket AND in_time.episode = solves.episode
    WHERE again.ticket != solves.ticket AND again.since < again.seq AND solved < again.at AND again.at < decide
        AND (known_at < decide OR answered = 1)
        AND again.seq > solved_about.since AND again.seq < solved_about.until
        AND has(solved_about.tags, reason) AND reason IN (SELECT reason FROM bad_news)
) AS found
GROUP BY ticket, episode;

CREATE TABLE our_resolutions ENGINE = MergeTree ORDER BY (ticket, episode) AS
SELECT
    ticket, episode, solved, solver, taken.tags AS tags,
    if(falsified.why != '', falsified.at, if(decide < {end}, decide, 0)) AS decided,
    toInt64(answered) AS public_answers,
    if(decided = 0, NULL, toUInt8(why = '' AND answered = 1)) AS fcr,
    multiIf(falsified.why != '', falsified.why, decided = 0 OR answered = 1, '', 'no_answer') AS reason
FROM solves
LEFT JOIN falsified USING (ticket, episode)
JOIN
(
    SELECT ticket, episode, argMax(counted.answers, counted.n) AS answered
    FROM counted JOIN solves USING (ticket, episode) LEFT JOIN falsified USING (ticket, episode)
    WHERE counted.at < decide AND (falsified.why = '' OR counted.seq <= falsified.seq)
    GROUP BY ticket, episode
) AS so_far USING (ticket, episode)
JOIN
(
    -- as it stood when it was decided
    SELECT ticket, episode, argMax(solved_about.tags, solved_about.since) AS tags
    FROM solved_about JOIN solves USING (ticket, episode) LEFT JOIN falsified USING (ticket, episode)
    WHERE if(falsified.why = '', solved_about.at < decide, solved_about.since <= falsified.seq)
    GROUP BY ticket, episode
) AS taken USING (ticket, episode);

CREATE VIEW their_resolutions AS
SELECT
    ticket_id AS ticket, episode, toUnixTimestamp64Micro(solved_at) AS solved, agent_id AS solver, arraySort(tags) AS tags,
    ifNull(toUnixTimestamp64Micro(decided_at), 0) AS decided, toInt64(public_answers) AS public_answers, fcr, reason
FROM resolutions FINAL;
