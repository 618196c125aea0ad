-- The SLA clocks under the names that analysts know from the dbt package for Zendesk. `target` and
-- `sla_elapsed_time` are in minutes, as there.
CREATE OR REPLACE VIEW sla_policies AS
SELECT
    concat(ticket_id, '/', toString(episode), '/', clock, '/', toString(instance)) AS sla_event_id,
    ticket_id,
    argMax(policy, order_of) AS sla_policy_name,
    clock AS metric,
    minIf(at, transition = 'activate') AS sla_applied_at,
    argMaxIf(target_seconds, order_of, target_seconds IS NOT NULL) / 60 AS target,
    false AS in_business_hours,
    argMaxIf(due_at, order_of, due_at IS NOT NULL) AS sla_breach_at,
    argMaxIf(elapsed_seconds, order_of, elapsed_seconds IS NOT NULL) / 60 AS sla_elapsed_time,
    countIf(transition IN ('fulfil', 'correct', 'cancel')) = 0 AS is_active_sla,
    countIf(transition = 'breach') > 0 AND countIf(transition = 'correct') = 0 AS is_sla_breach,
    argMax(priority, order_of) AS priority_applied
FROM (SELECT *, (sequence, version) AS order_of FROM clocks FINAL)
GROUP BY ticket_id, episode, clock, instance;
