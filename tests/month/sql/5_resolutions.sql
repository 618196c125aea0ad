-- What each contact was about. Who writes again in a conversation contacts us anew only about what it was not about so far.
CREATE TABLE reasons ENGINE = MergeTree ORDER BY (customer, reason, at) AS
SELECT
    ticket, splitByChar('-', ticket)[1] AS customer, n, seq, at, opens,
    arrayJoin(if(opens, arrayDistinct(reasons), arrayFilter(each -> NOT has(known, each), arrayDistinct(reasons)))) AS reason
FROM
(
    SELECT *, n = 1 OR episode > episode_before AS opens, groupUniqArrayArray(reasons) OVER (
        PARTITION BY ticket ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS known
    FROM steps
)
WHERE kind IN ('message', 'voicemail');

-- Contacts that open or reopen a ticket about a reason for which the same customer contacted us lately.
CREATE TABLE repeated ENGINE = MergeTree ORDER BY (ticket, n) AS
SELECT *
FROM
(
    SELECT *, lagInFrame(at, 1, 0) OVER (
        PARTITION BY customer, reason ORDER BY seq ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS previous
    FROM reasons
)
WHERE opens AND previous > at - {repeat} AND previous < at AND reason IN (SELECT reason FROM bad_news);

CREATE VIEW our_repeats AS SELECT ticket, at AS again_at, reason AS tag, previous, toUInt64(1) AS times FROM repeated;

CREATE VIEW their_repeats AS
SELECT ticket_id AS ticket, toUnixTimestamp64Micro(repeats.at) AS again_at, tag,
       any(toUnixTimestamp64Micro(previous_at)) AS previous, count() AS times
FROM repeats FINAL GROUP BY ticket, again_at, tag;

-- How often people had answered in this episode, with each answer and at the solve. A chat is one answer, whatever its lines.
CREATE TABLE counted ENGINE = MergeTree ORDER BY (ticket, episode, n) AS
SELECT
    ticket, episode, n, seq, at, kind,
    if(channel = 'chat', least(replies, if(episode = 1, greatest(length(threads), 1), 1)), replies) AS answers
FROM
(
    SELECT
        *,
        toInt64(countIf(kind = 'replied') OVER (PARTITION BY ticket, episode ORDER BY n)) AS replies,
        arrayFilter(each -> each != '', groupUniqArray(thread) OVER (PARTITION BY ticket ORDER BY n)) AS threads
    FROM steps
)
WHERE kind = 'replied' OR (status = 'solved' AND status_before != 'solved');

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
    WHERE counted.kind = 'replied' AND counted.seq > solves.seq AND counted.answers > 1 AND counted.at < decide
    UNION ALL
    SELECT ticket, solves.episode, steps.seq, steps.at, 'reopened'
    FROM steps JOIN solves USING (ticket)
    WHERE steps.episode > steps.episode_before AND steps.episode_before = solves.episode AND steps.at < decide
    UNION ALL
    SELECT solves.ticket, solves.episode, reasons.seq, reasons.at, 'contacted_again'
    FROM reasons JOIN solves USING (customer)
    WHERE reasons.ticket != solves.ticket AND solved < reasons.at AND reasons.at < decide
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
