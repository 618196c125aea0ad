-- Open tickets at the end of each window by channel, team, priority, policy and brand, and their age then: the sum of all that
-- came less all that went until then, so late data corrects every window after it. Where nothing came or went there is
-- no row: the backlog is that of the row before. Add up rows of one window_start only over dimensions that have one.
CREATE OR REPLACE VIEW backlog_{window} AS
SELECT
    window_start,
    window_start + INTERVAL {interval} AS window_end,
    channel,
    team,
    priority,
    policy,
    came_less_went,
    sum(came_less_went) OVER place AS backlog,
    backlog * toUnixTimestamp(window_end) - sum(created) OVER place AS age_seconds_sum,
    age_seconds_sum / nullIf(backlog, 0) AS age_seconds_average,
    brand
FROM
(
    SELECT
        toStartOfInterval(panes.start, INTERVAL {interval}) AS window_start,
        channel,
        team,
        priority,
        policy,
        brand,
        sum(panes.backlog_change) AS came_less_went,
        sum(panes.backlog_created_change) AS created
    FROM panes FINAL
    GROUP BY window_start, channel, team, priority, policy, brand
    HAVING came_less_went != 0 OR created != 0
)
WINDOW place AS (PARTITION BY channel, team, priority, policy, brand ORDER BY window_start ASC);
