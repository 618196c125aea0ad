-- One row per stretch of an agent's presence in a team, as it is known last, for agent_presence and agent_occupancy_*.
--   until    NULL while it lasts. One that was never ended, since the router lost its states, ends where the next begins
--   ends     until, or the newest contact or presence that we know
CREATE OR REPLACE VIEW presence_stretches AS
WITH assumeNotNull(greatest(
    (SELECT max(received_at) FROM contacts WHERE NOT imported),
    (SELECT max(presences.at) FROM presences)
)) AS known_until
SELECT
    team,
    agent_id,
    status,
    busy,
    status_since,
    since,
    coalesce(told_until, next_since) AS until,
    greatest(since, ifNull(until, known_until)) AS ends
FROM
(
    SELECT
        team,
        agent_id,
        status,
        busy,
        status_since,
        since,
        presences.until AS told_until,
        leadInFrame(toNullable(since)) OVER (
            PARTITION BY team, agent_id ORDER BY since ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
        ) AS next_since
    FROM presences FINAL
);
