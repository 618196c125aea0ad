-- What each agent did by day (UTC), without imported history. Sources: assignments, contacts, resolutions, conversations,
-- tickets.
--   assigned       tickets that were handed to them, by the router or by hand
--   answers        public answers in writing          notes   what they wrote for colleagues
--   solved         resolution episodes that they solved
--   conversations  calls and chats that they took; of those whose handling time is known its sum, average, median, longest
--   open_now       unfinished tickets in their hands now, on every row of theirs; waiting_now are those whose customer waits,
--                  the longest since waiting_since
-- The time spent is that of conversations alone: handle_times has that of written answers. What share of the time
-- that they were available agents had something in their hands is in agent_occupancy_1h and its sisters.
CREATE OR REPLACE VIEW agent_workload AS
SELECT
    day,
    done.agent_id AS agent_id,
    countIf(what = 'assigned') AS assigned,
    countIf(what = 'answer') AS answers,
    countIf(what = 'note') AS notes,
    countIf(what = 'solved') AS solved,
    countIf(what = 'conversation') AS conversations,
    sumOrNull(seconds) AS handle_seconds_sum,
    avgOrNull(seconds) AS handle_seconds_average,
    quantileExactOrNull(0.5)(seconds) AS handle_seconds_median,
    maxOrNull(seconds) AS handle_seconds_longest,
    any(held.open_now) AS open_now,
    any(held.waiting_now) AS waiting_now,
    any(held.waiting_since) AS waiting_since
FROM
(
    SELECT toDate(assignments.at) AS day, agent_id, 'assigned' AS what, CAST(NULL AS Nullable(Float64)) AS seconds
    FROM assignments FINAL WHERE agent_id != '' AND ticket_id NOT IN (SELECT ticket_id FROM tickets FINAL WHERE imported)
    UNION ALL
    SELECT toDate(contacts.at), author, if(kind = 'agent_replied' AND public, 'answer', 'note'), NULL
    FROM contacts FINAL WHERE kind IN ('agent_replied', 'note_added') AND author != '' AND NOT imported
    UNION ALL
    SELECT toDate(solved_at), agent_id, 'solved', NULL
    FROM resolutions FINAL WHERE agent_id != '' AND NOT imported
    UNION ALL
    SELECT toDate(conversations.at), agent_id, 'conversation', handle_seconds
    FROM conversations FINAL WHERE agent_id != '' AND outcome = 'answered' AND NOT imported
) AS done
LEFT JOIN
(
    SELECT
        assignee_id AS agent_id,
        count() AS open_now,
        countIf(tickets.waiting_since IS NOT NULL) AS waiting_now,
        minOrNull(tickets.waiting_since) AS waiting_since
    FROM tickets FINAL
    WHERE assignee_id != '' AND status NOT IN ('solved', 'closed') AND NOT imported
    GROUP BY agent_id
) AS held ON held.agent_id = done.agent_id
GROUP BY day, agent_id
ORDER BY day, agent_id;
