-- The SLA clocks under the names that analysts know from the dbt package for Zendesk. `target` and
-- `sla_elapsed_time` are in minutes, of working time where the policy counts that. What is a breach: see the view sla_status.
CREATE OR REPLACE VIEW sla_policies AS
SELECT
    concat(ticket_id, '/', toString(episode), '/', clock, '/', toString(instance)) AS sla_event_id,
    ticket_id,
    policy AS sla_policy_name,
    clock AS metric,
    activated_at AS sla_applied_at,
    target_seconds / 60 AS target,
    calendar != '' AS in_business_hours,
    due_at AS sla_breach_at,
    if(calendar = '', elapsed_seconds, elapsed_business_seconds) / 60 AS sla_elapsed_time,
    is_running AS is_active_sla,
    is_breached AS is_sla_breach,
    priority AS priority_applied,
    brand
FROM sla_status;
