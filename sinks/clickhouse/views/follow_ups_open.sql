-- Low scores (CSAT 1 or 2) that nobody has seen to yet, longest waiting first: in which team's queue or with which agent
-- each is, whose work was scored, and everything that the customer said. Sources: follow_ups, surveys.
CREATE OR REPLACE VIEW follow_ups_open AS
SELECT
    f.ticket_id AS ticket_id,
    f.episode AS episode,
    f.opened_at AS opened_at,
    f.status AS status,
    f.team AS team,
    f.agent_id AS agent_id,
    f.solved_by AS solved_by,
    f.channel AS channel,
    f.csat AS csat,
    s.comments AS comments,
    f.brand AS brand
FROM (SELECT * FROM follow_ups FINAL WHERE status != 'done') AS f
LEFT JOIN (
    SELECT
        ticket_id,
        episode,
        arrayStringConcat(arrayFilter(x -> x != '', arrayFlatten(arrayMap(x -> [x.2, x.3], arraySort(groupArray((answer, comment, went_wrong)))))), '\n') AS comments
    FROM surveys FINAL
    WHERE NOT scanner
    GROUP BY ticket_id, episode
) AS s ON s.ticket_id = f.ticket_id AND s.episode = f.episode
ORDER BY opened_at;
