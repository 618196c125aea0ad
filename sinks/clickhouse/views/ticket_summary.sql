-- The whole desk in one row, under the names that analysts know from the dbt package for Zendesk.
CREATE OR REPLACE VIEW ticket_summary AS
SELECT
    uniqExact(customer_tag) AS end_user_count,
    uniqExactIf(assignee_id, assignee_id != '') AS active_agent_count,
    countIf(status = 'new') AS new_ticket_count,
    countIf(status = 'open') AS open_ticket_count,
    countIf(status = 'pending') AS pending_ticket_count,
    countIf(status = 'hold') AS on_hold_ticket_count,
    countIf(status IN ('solved', 'closed')) AS solved_ticket_count,
    countIf(status NOT IN ('solved', 'closed')) AS unsolved_ticket_count,
    countIf(assignee_id != '') AS assigned_ticket_count,
    countIf(assignee_id = '' AND status NOT IN ('solved', 'closed')) AS unassigned_unsolved_ticket_count,
    countIf(assignees > 1) AS reassigned_ticket_count,
    countIf(reopens > 0) AS reopened_ticket_count,
    countIf(first_response_at IS NULL) AS unreplied_ticket_count,
    countIf(first_response_at IS NULL AND status NOT IN ('solved', 'closed')) AS unreplied_unsolved_ticket_count,
    countIf(csat IS NOT NULL) AS surveyed_satisfaction_ticket_count
FROM tickets FINAL;
