-- One row per SLA clock instance, from its ledger: the row with the highest sequence is what is true now.
-- A clock is breached when its breach was not taken back: by a correction with a time before the deadline, later in the
-- ledger. One that is paused is not due (`due_at` is the last that it had). `risk` is the highest percentage of its
-- target at which it has warned, 100 after a breach.
-- state: met, breached (no answer yet, or none needed any more), breached_then_met, cancelled, paused, active.
CREATE OR REPLACE VIEW sla_status AS
SELECT
    ticket_id,
    episode,
    clock,
    instance,
    any(ledger.customer_tag) AS customer_tag,
    argMax(ledger.channel, order_of) AS channel,
    argMax(ledger.priority, order_of) AS priority,
    argMax(ledger.team, order_of) AS team,
    argMax(ledger.policy, order_of) AS policy,
    argMax(ledger.policy_version, order_of) AS policy_version,
    argMaxIf(ledger.target_seconds, order_of, ledger.target_seconds IS NOT NULL) AS target_seconds,
    argMaxIf(at, order_of, transition = 'activate' OR (transition = 'correct' AND ledger.elapsed_seconds = 0)) AS activated_at,
    argMaxIf(ledger.due_at, order_of, ledger.due_at IS NOT NULL) AS due_at,
    argMaxOrNullIf(at, order_of, transition = 'fulfil') AS fulfilled_at,
    if(is_breached, argMaxOrNullIf(at, order_of, transition = 'breach'), NULL) AS breached_at,
    if(is_breached, argMaxOrNullIf(ledger.detected_at, order_of, transition = 'breach'), NULL) AS breach_detected_at,
    argMaxIf(ledger.elapsed_seconds, order_of, ledger.elapsed_seconds IS NOT NULL) AS elapsed_seconds,
    argMaxIf(ledger.elapsed_business_seconds, order_of, ledger.elapsed_business_seconds IS NOT NULL) AS elapsed_business_seconds,
    argMax(transition, order_of) = 'fulfil' AS is_fulfilled,
    countIf(transition = 'breach') > 0 AND maxIf(order_of, transition = 'breach')
        > maxIf(order_of, transition = 'correct' AND at < ledger.due_at) AS is_breached,
    countIf(transition = 'correct') > 0 AS is_corrected,
    argMax(transition, order_of) NOT IN ('fulfil', 'cancel') AS is_running,
    multiIf(
        is_fulfilled AND is_breached, 'breached_then_met',
        is_fulfilled, 'met',
        is_breached, 'breached',
        argMax(transition, order_of) = 'cancel', 'cancelled',
        argMaxIf(transition, order_of, transition IN ('activate', 'pause', 'resume')) = 'pause', 'paused',
        'active'
    ) AS state,
    argMax(ledger.calendar, order_of) AS calendar,
    if(is_breached, 100, maxIf(threshold, transition = 'at_risk')) AS risk,
    argMax(reason, order_of) AS cancelled_because,
    countIf(transition = 'pause') AS pauses,
    argMax(ledger.ticket_policy, order_of) AS ticket_policy,
    argMax(ledger.brand, order_of) AS brand
FROM (SELECT *, (sequence, version) AS order_of FROM clocks FINAL) AS ledger
GROUP BY ticket_id, episode, clock, instance;
