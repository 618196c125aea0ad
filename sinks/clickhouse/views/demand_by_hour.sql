-- The work that came in each hour (UTC), by team, channel and brand, without imported history: what `python -m sinks staffing`
-- reckons people from. Sources: contacts, tickets, conversations, handle_times.
--   contacts              messages of customers in writing; of calls and chats the conversations that began in the hour
--   answered, abandoned   of those conversations: a person answered, or the customer gave up; 0 for what is written
--   wait_seconds_sum      how long customers of these conversations waited, those who gave up included
--   handled, handle_seconds_sum   what was handled in this hour, and how long people were busy with it (see handle_times)
CREATE OR REPLACE VIEW demand_by_hour AS
SELECT
    toStartOfHour(came.at, 'UTC') AS hour,
    came.team AS team,
    came.channel AS channel,
    came.brand AS brand,
    live,
    sum(came.contacts) AS contacts,
    sum(came.answered) AS answered,
    sum(came.abandoned) AS abandoned,
    sum(came.waited) AS wait_seconds_sum,
    sum(came.handled) AS handled,
    sum(came.busy) AS handle_seconds_sum
FROM
(
    SELECT
        contacts.at AS at, held.team AS team, contacts.channel AS channel, held.brand AS brand, false AS live,
        1 AS contacts, 0 AS answered, 0 AS abandoned, 0 AS waited, 0 AS handled, 0 AS busy
    FROM contacts FINAL
    INNER JOIN (SELECT ticket_id, team, brand FROM tickets FINAL WHERE NOT imported) AS held ON held.ticket_id = contacts.ticket_id
    WHERE kind = 'message_received' AND channel != 'chat' AND NOT third_party AND NOT contacts.imported
    UNION ALL
    SELECT
        subtractMicroseconds(conversations.at, toInt64(1e6 * (ifNull(wait_seconds, 0) + ifNull(handle_seconds, 0)))),
        team, channel, brand, true,
        1, outcome = 'answered', outcome = 'abandoned', ifNull(wait_seconds, 0), 0, 0
    FROM conversations FINAL
    WHERE outcome IN ('answered', 'abandoned') AND NOT imported
    UNION ALL
    SELECT handle_times.at, team, channel, brand, kind != 'written', 0, 0, 0, 0, 1, handle_seconds
    FROM handle_times
    WHERE handle_seconds IS NOT NULL
) AS came
GROUP BY hour, team, channel, brand, live
ORDER BY hour, team, channel, brand, live;
