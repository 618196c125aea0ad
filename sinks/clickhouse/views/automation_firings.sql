-- What rules of automations.yaml did per day, rule and action: on how many tickets, how often, how often it was withheld, and for
-- which reasons. Source: automations.
CREATE OR REPLACE VIEW automation_firings AS
SELECT
    toDate(at) AS day,
    rule,
    action,
    uniqExactIf(ticket_id, ticket_id != '') AS tickets,
    countIf(outcome = 'done') AS done,
    countIf(outcome = 'withheld') AS withheld,
    arraySort(groupUniqArrayIf(reason, reason != '')) AS reasons,
    max(at) AS last_at
FROM automations FINAL
GROUP BY day, rule, action
ORDER BY day DESC, rule, action;
