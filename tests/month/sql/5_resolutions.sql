-- What each contact was about. Who writes again in a conversation contacts us anew only about what it was not about so far.
CREATE TABLE reasons ENGINE = MergeTree ORDER BY (customer, reason, at) AS
SELECT
    ticket, customer, n, seq, at, opens,
    arrayJoin(if(opens, arrayDistinct(reasons), arrayFilter(each -> NOT has(known, each), arrayDistinct(reasons)))) AS reason
FROM
(
    SELECT *, n = 1 OR episode > episode_before AS opens, groupUniqArrayArray(reasons) OVER (
        PARTITION BY ticket ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS known
    FROM steps
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
    SELECT *, arraySort(groupUniqArrayArray(reasons) OVER (PARTITION BY ticket ORDER BY n)) AS tags FROM steps
) AS every
JOIN (SELECT ticket, n, answers FROM counted) AS answered USING (ticket, n)
WHERE status = 'solved' AND status_before != 'solved';

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
    SELECT solves.ticket, solves.episode, reasons.seq, reasons.at, 'contacted_again'
    FROM (SELECT reasons.*, name, since FROM reasons JOIN same USING (customer)) AS reasons JOIN solves ON solves.customer = reasons.name
    WHERE reasons.ticket != solves.ticket AND since < reasons.seq AND solved < reasons.at AND reasons.at < decide
        AND has(tags, reason) AND reason IN (SELECT reason FROM bad_news)
) AS found
GROUP BY ticket, episode;

CREATE TABLE our_resolutions ENGINE = MergeTree ORDER BY (ticket, episode) AS
SELECT
    ticket, episode, solved, solver, tags,
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
) AS so_far USING (ticket, episode);

CREATE VIEW their_resolutions AS
SELECT
    ticket_id AS ticket, episode, toUnixTimestamp64Micro(solved_at) AS solved, agent_id AS solver, arraySort(tags) AS tags,
    ifNull(toUnixTimestamp64Micro(decided_at), 0) AS decided, toInt64(public_answers) AS public_answers, fcr, reason
FROM resolutions FINAL;
