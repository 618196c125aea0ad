-- Calls and chats that are over: how long the customer waited for a person, and how long that person had it.
CREATE TABLE talks ENGINE = MergeTree ORDER BY (ticket, n) AS
SELECT ended.ticket AS ticket, ended.n AS n, event, at, 'call' AS kind, outcome, if(ended.kind = 'call', 'phone', 'voicemail') AS told_by,
       place, if(n = 1, place.2, place_before.2) AS team, by AS agent, if(answered, took, at) - since AS wait,
       if(answered, at - took, NULL) AS handled, outcome = 'answered' AS answered
FROM (SELECT * FROM steps WHERE kind IN ('call', 'voicemail')) AS ended
LEFT JOIN (SELECT ticket, toUInt64(n - 1) AS n, since AS took FROM steps WHERE kind = 'spoken') AS spoken ON spoken.ticket = ended.ticket AND spoken.n = ended.n
UNION ALL
SELECT
    ticket, n, event, at, 'chat',
    multiIf(answered, 'answered', outcome = 'closed', 'closed by whom?', outcome),
    'chat', place, place_before.2, if(answered, agent, ''), if(answer > 0, answer, at) - first AS wait,
    -- when a second conversation of a ticket was answered, nobody says
    if(answered AND opened_by = thread, at - answer, NULL), outcome != 'abandoned' AND answer > 0 AS answered
FROM
(
    SELECT ended.ticket AS ticket, ended.n AS n, any(ended.event) AS event, any(ended.at) AS at, any(ended.outcome) AS outcome, any(ended.place) AS place,
           any(ended.place_before) AS place_before, any(ended.agent) AS agent, any(ended.thread) AS thread,
           any(ended.began) AS first,
           minIf(told.answered_at, told.answered_at > 0 AND told.answered_at >= ended.began) AS answer,
           anyIf(told.thread, told.n = 1) AS opened_by
    FROM
    (
        SELECT chats.*, began FROM (SELECT * FROM steps WHERE kind = 'ended') AS chats
        JOIN (SELECT ticket, thread, argMin(at, n) AS began FROM steps WHERE kind = 'message' GROUP BY ticket, thread) AS lines USING (ticket, thread)
    ) AS ended
    JOIN steps AS told ON told.ticket = ended.ticket
    WHERE told.n < ended.n
    GROUP BY ended.ticket, ended.n
);

CREATE VIEW our_conversations AS
SELECT event, ticket AS of_ticket, at AS ended_at, kind, outcome, told_by, team AS of_team, agent AS of_agent, toInt64(wait) AS wait,
       toInt64(handled) AS handled
FROM talks;

CREATE VIEW their_conversations AS
SELECT event_id AS event, ticket_id AS of_ticket, toUnixTimestamp64Micro(conversations.at) AS ended_at, kind, outcome,
       conversations.channel AS told_by, conversations.team AS of_team, agent_id AS of_agent,
       toInt64(round(wait_seconds * 1000000)) AS wait, toInt64(round(handle_seconds * 1000000)) AS handled
FROM conversations FINAL;

-- Speed of answer, handling time and abandonment of every day; an average is compared as the sum that it is of.
CREATE VIEW our_service AS
SELECT
    day, channel, team, offered, answered, abandoned, otherwise,
    toInt64(arraySum(waits)) AS waited, if(empty(waits), NULL, waits[1 + intDiv(length(waits), 2)]) AS waited_median,
    if(empty(waits), NULL, waits[-1]) AS waited_longest, gave_up_after,
    toUInt64(length(handles)) AS handled, toInt64(arraySum(handles)) AS handling,
    if(empty(handles), NULL, handles[1 + intDiv(length(handles), 2)]) AS handling_median,
    if(empty(handles), NULL, handles[-1]) AS handling_longest
FROM
(
    SELECT toDate(fromUnixTimestamp64Micro(at, 'UTC')) AS day, told_by AS channel, team, count() AS offered,
           countIf(outcome = 'answered') AS answered, countIf(outcome = 'abandoned') AS abandoned,
           countIf(outcome NOT IN ('answered', 'abandoned')) AS otherwise,
           arraySort(groupArrayIf(wait, outcome = 'answered')) AS waits, arraySort(groupArray(talks.handled)) AS handles,
           toInt64(sumIf(wait, outcome = 'abandoned')) AS gave_up_after
    FROM talks GROUP BY day, channel, team
);

CREATE VIEW their_service AS
SELECT
    day, channel, team, offered, answered, abandoned, otherwise,
    toInt64(round(ifNull(asa_seconds, 0) * answered * 1000000)) AS waited,
    toInt64(round(answer_seconds_median * 1000000)) AS waited_median, toInt64(round(answer_seconds_longest * 1000000)) AS waited_longest,
    toInt64(round(ifNull(abandoned_after_seconds_average, 0) * abandoned * 1000000)) AS gave_up_after,
    service_times.handled AS handled, toInt64(round(ifNull(aht_seconds, 0) * service_times.handled * 1000000)) AS handling,
    toInt64(round(handle_seconds_median * 1000000)) AS handling_median, toInt64(round(handle_seconds_longest * 1000000)) AS handling_longest
FROM service_times;

-- Whoever helped themselves: read an article or asked the bot, and contacted nobody until a day after.
CREATE VIEW our_self_service AS
SELECT day, toUInt64(count()) AS customers, countIf(contacts > 0) AS contacted, countIf(contacts = 0 AND over) AS deflected,
       countIf(contacts = 0 AND NOT over) AS undecided, countIf(said) AS said_solved
FROM
(
    SELECT sought.day AS day, sought.customer AS customer, any(helped) AS said,
           countIf(kind IN ('message', 'call', 'voicemail') AND raw_events.at >= first AND raw_events.at < last + 86400000000) AS contacts,
           any(last) + 86400000000 <= (SELECT max(at) FROM raw_events WHERE kind IN ('message', 'call', 'voicemail', 'article', 'bot')) AS over
    FROM
    (
        SELECT customer, toDate(fromUnixTimestamp64Micro(at, 'UTC')) AS day, min(at) AS first, max(at) AS last, max(outcome = 'helped') AS helped
        FROM raw_events WHERE kind IN ('article', 'bot') GROUP BY customer, day
    ) AS sought
    JOIN raw_events USING (customer)
    GROUP BY sought.day, sought.customer
)
GROUP BY day;

CREATE VIEW their_self_service AS
SELECT day, customers, contacted_us AS contacted, deflected, undecided, self_service.said_solved AS said_solved FROM self_service;
