-- Since when and until when each agent was online, away or offline in a team, one row each. Source: presences.
--   until         NULL while it lasts; `seconds` then run to the newest contact or presence that we know
--   busy_seconds  of them, with at least one ticket in their hands that waited on us; NULL for who is not online
-- Before an agent's first row nothing is known of them. Nobody is taken for gone: an agent who stops reporting stays as
-- they were last reported. Who is available now, and since when:
--   SELECT team, agent_id, since FROM agent_presence WHERE status = 'online' AND until IS NULL
CREATE OR REPLACE VIEW agent_presence AS
SELECT
    team,
    agent_id,
    status,
    stretch.status_since AS since,
    if(countIf(stretch.until IS NULL) > 0, NULL, max(stretch.until)) AS until,
    sum(lasted) AS seconds,
    if(status = 'online', sumIf(lasted, busy), NULL) AS busy_seconds
FROM
(
    SELECT *, dateDiff('microsecond', since, ends) / 1e6 AS lasted
    FROM presence_stretches
) AS stretch
GROUP BY team, agent_id, status, stretch.status_since
ORDER BY since, team, agent_id;
