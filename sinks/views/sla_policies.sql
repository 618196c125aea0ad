-- The SLA clocks under the names that analysts know from the dbt package for Zendesk. `target` and
-- `sla_elapsed_time` are in minutes, of working time where the policy counts that. What is a breach: see the view sla_status.
CREATE OR REPLACE VIEW sla_policies AS
SELECT
    concat(ticket_id, '/', toString(episode), '/', clock, '/', toString(instance)) AS sla_event_id,
    ticket_id,
    argMax(ledger.policy, order_of) AS sla_policy_name,
    clock AS metric,
    argMaxIf(at, order_of, transition = 'activate' OR (transition = 'correct' AND ledger.elapsed_seconds = 0)) AS sla_applied_at,
    argMaxIf(ledger.target_seconds, order_of, ledger.target_seconds IS NOT NULL) / 60 AS target,
    argMax(ledger.calendar, order_of) != '' AS in_business_hours,
    argMaxIf(ledger.due_at, order_of, ledger.due_at IS NOT NULL) AS sla_breach_at,
    argMaxIf(
        if(ledger.calendar = '', ledger.elapsed_seconds, ledger.elapsed_business_seconds),
        order_of, ledger.elapsed_seconds IS NOT NULL
    ) / 60 AS sla_elapsed_time,
    argMax(transition, order_of) NOT IN ('fulfil', 'cancel') AS is_active_sla,
    countIf(transition = 'breach') > 0 AND maxIf(order_of, transition = 'breach')
        > maxIf(order_of, transition = 'correct' AND at < ledger.due_at) AS is_sla_breach,
    argMax(ledger.priority, order_of) AS priority_applied
FROM (SELECT *, (sequence, version) AS order_of FROM clocks FINAL) AS ledger
GROUP BY ticket_id, episode, clock, instance;
