-- How long a person was busy with each thing they did, without imported history: one row per public answer in writing, per
-- call and per chat. Sources: contacts, assignments, conversations, tickets. Add seconds up for cost and workload.
--   written   from the last of: the assignment of the ticket to this agent, the customer's last message before the answer, and
--             what this agent did last anywhere (an answer, a note, a conversation that ended); at most 1,800 s, for nobody
--             reports pauses. An answer in a chat belongs to its conversation and has no row
--   call chat handle_seconds of conversations: talk time; of a chat from the first answer to its end
-- handle_seconds is NULL, never 0, where no beginning is known.
CREATE OR REPLACE VIEW handle_times AS
SELECT
    work.at AS at,
    work.ticket_id AS ticket_id,
    work.agent_id AS agent_id,
    held.team AS team,
    work.channel AS channel,
    held.brand AS brand,
    work.kind AS kind,
    work.handle_seconds AS handle_seconds
FROM
(
    SELECT
        done.at AS at,
        done.ticket_id AS ticket_id,
        done.agent_id AS agent_id,
        done.channel AS channel,
        'written' AS kind,
        if(
            greatest(given.at, asked.at, done.previous_at) = toDateTime64(0, 6, 'UTC'),
            NULL,
            least(1800, (toUnixTimestamp64Micro(done.at) - toUnixTimestamp64Micro(greatest(given.at, asked.at, done.previous_at))) / 1e6)
        ) AS handle_seconds
    FROM
    (
        SELECT
            at,
            ticket_id,
            agent_id,
            channel,
            what,
            lagInFrame(at, 1, toDateTime64(0, 6, 'UTC')) OVER (
                PARTITION BY agent_id ORDER BY at, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
            ) AS previous_at
        FROM
        (
            SELECT contacts.at AS at, event_id, ticket_id, author AS agent_id, channel, if(kind = 'agent_replied' AND public, 'answer', 'note') AS what
            FROM contacts FINAL
            WHERE kind IN ('agent_replied', 'note_added') AND author != '' AND NOT imported
            UNION ALL
            SELECT conversations.at, event_id, ticket_id, agent_id, channel, 'conversation'
            FROM conversations FINAL
            WHERE agent_id != '' AND outcome = 'answered' AND NOT imported
        )
    ) AS done
    ASOF LEFT JOIN
    (
        SELECT ticket_id, agent_id, assignments.at AS at FROM assignments FINAL WHERE agent_id != ''
    ) AS given ON given.ticket_id = done.ticket_id AND given.agent_id = done.agent_id AND given.at <= done.at
    ASOF LEFT JOIN
    (
        SELECT ticket_id, contacts.at AS at FROM contacts FINAL WHERE kind = 'message_received' AND NOT imported
    ) AS asked ON asked.ticket_id = done.ticket_id AND asked.at <= done.at
    WHERE done.what = 'answer' AND done.channel != 'chat'
    UNION ALL
    SELECT conversations.at, ticket_id, agent_id, channel, kind, handle_seconds
    FROM conversations FINAL
    WHERE outcome = 'answered' AND NOT imported
) AS work
LEFT JOIN (SELECT ticket_id, team, brand FROM tickets FINAL) AS held ON held.ticket_id = work.ticket_id;
