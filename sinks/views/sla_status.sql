-- One row per SLA clock instance, from its ledger. A breach that a correction took back is not a breach.
-- state: met, breached (and still waiting), breached_then_met, cancelled, paused, active.
CREATE OR REPLACE VIEW sla_status AS
SELECT
    ticket_id,
    episode,
    clock,
    instance,
    any(customer_tag) AS customer_tag,
    argMax(channel, order_of) AS channel,
    argMax(priority, order_of) AS priority,
    argMax(team, order_of) AS team,
    argMax(policy, order_of) AS policy,
    argMax(policy_version, order_of) AS policy_version,
    argMaxIf(target_seconds, order_of, target_seconds IS NOT NULL) AS target_seconds,
    minIf(at, transition = 'activate') AS activated_at,
    argMaxIf(due_at, order_of, due_at IS NOT NULL) AS due_at,
    maxOrNullIf(at, transition = 'fulfil' OR transition = 'correct') AS fulfilled_at,
    if(countIf(transition = 'correct') > 0, NULL, minOrNullIf(at, transition = 'breach')) AS breached_at,
    if(countIf(transition = 'correct') > 0, NULL, minOrNullIf(detected_at, transition = 'breach')) AS breach_detected_at,
    argMaxIf(elapsed_seconds, order_of, elapsed_seconds IS NOT NULL) AS elapsed_seconds,
    argMaxIf(elapsed_business_seconds, order_of, elapsed_business_seconds IS NOT NULL) AS elapsed_business_seconds,
    countIf(transition = 'breach') > 0 AND countIf(transition = 'correct') = 0 AS is_breached,
    countIf(transition = 'correct') > 0 AS is_corrected,
    multiIf(
        countIf(transition = 'correct') > 0, 'met',
        countIf(transition = 'fulfil') > 0 AND is_breached, 'breached_then_met',
        countIf(transition = 'fulfil') > 0, 'met',
        is_breached, 'breached',
        argMax(transition, order_of) = 'cancel', 'cancelled',
        argMax(transition, order_of) = 'pause', 'paused',
        'active'
    ) AS state
FROM (SELECT *, (sequence, version) AS order_of FROM clocks FINAL)
GROUP BY ticket_id, episode, clock, instance;
