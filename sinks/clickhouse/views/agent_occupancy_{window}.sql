-- What share of their available time agents were handling contacts, by agent and window of time: those of
-- windows_{window}, in UTC. Sources: presences, conversations; without imported history.
--   occupancy = handling / available = time on contacts / (time on contacts + available time waiting for one)
--   available     online in any team; being online in two at once counts once
--   handling      the part of it in which at least one contact was in their hands: a ticket assigned to them that waits
--                 on us, or a call or chat that they are in. Several at once count once, so it is never more than available
--   conversation  the part of it in calls and chats alone; conversation_share is the occupancy of who counts nothing else
--   waiting       available with nothing in their hands
--   outside       in calls and chats while away, offline, or not known to be online; in no share
--   unmeasured    calls and chats that ended in the window and of which nobody knows how long they took: with any, the
--                 shares are lower bounds
-- A window that still runs counts to the newest contact or presence that we know. NULL, never 0, where the presence of the
-- agent was not known, and for shares where they were not available at all. Add seconds up, never shares.
CREATE OR REPLACE VIEW agent_occupancy_{window} AS
WITH toInt64(toUnixTimestamp(toDateTime(0, 'UTC') + INTERVAL {interval})) * 1000000 AS width
SELECT
    fromUnixTimestamp64Micro(place * width, 'UTC') AS window_start,
    fromUnixTimestamp64Micro((place + 1) * width, 'UTC') AS window_end,
    agent_id,
    teams,
    if(known, online / 1e6, NULL) AS available_seconds,
    if(known, (handled + online - online_or_talking) / 1e6, NULL) AS handling_seconds,
    if(known, (online_or_talking - handled) / 1e6, NULL) AS waiting_seconds,
    if(known, (talking + online - online_or_talking) / 1e6, NULL) AS conversation_seconds,
    if(known, away / 1e6, NULL) AS away_seconds,
    (online_or_talking - online) / 1e6 AS outside_seconds,
    unmeasured,
    handling_seconds / nullIf(available_seconds, 0) AS occupancy,
    conversation_seconds / nullIf(available_seconds, 0) AS conversation_share
FROM
(
    -- microseconds of unions of stretches; of two of them, |a and b| = |a| + |b| - |a or b|, and who is busy is online
    SELECT
        agent_id,
        place,
        arraySort(groupUniqArrayIf(team, what = 'online')) AS teams,
        countIf(what IN ('online', 'away', 'offline')) > 0 AS known,
        intervalLengthSumIf(greatest(begins, place * width), least(ends, (place + 1) * width), what = 'online') AS online,
        intervalLengthSumIf(greatest(begins, place * width), least(ends, (place + 1) * width), what = 'away') AS away,
        intervalLengthSumIf(greatest(begins, place * width), least(ends, (place + 1) * width), what = 'talking') AS talking,
        intervalLengthSumIf(greatest(begins, place * width), least(ends, (place + 1) * width), busy OR what = 'talking') AS handled,
        intervalLengthSumIf(greatest(begins, place * width), least(ends, (place + 1) * width), what IN ('online', 'talking'))
            AS online_or_talking,
        countIf(what = 'unmeasured') AS unmeasured
    FROM
    (
        SELECT
            agent_id,
            team,
            status AS what,
            busy,
            toUnixTimestamp64Micro(stretch.since) AS begins,
            toUnixTimestamp64Micro(stretch.ends) AS ends
        FROM presence_stretches AS stretch
        UNION ALL
        SELECT
            agent_id,
            team,
            if(handle_seconds IS NULL, 'unmeasured', 'talking'),
            false,
            ended - toInt64(round(1e6 * ifNull(handle_seconds, 0))),
            toUnixTimestamp64Micro(conversations.at) AS ended
        FROM conversations FINAL
        WHERE agent_id != '' AND outcome = 'answered' AND NOT imported
    )
    ARRAY JOIN range(intDiv(begins, width), intDiv(greatest(begins, ends - 1), width) + 1) AS place
    GROUP BY agent_id, place
)
WHERE online + away + talking + unmeasured > 0
ORDER BY window_start, agent_id;
