-- One row per SLA clock instance, from its ledger: the row with the highest sequence is what is true now.
-- A clock that was answered is breached when the answer that counts came at its deadline or later; one that was not
-- is breached when its deadline passed. So a breach that a correction took back is none.
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
    countIf(transition = 'fulfil') > 0 AS is_fulfilled,
    if(is_fulfilled, fulfilled_at >= due_at, countIf(transition = 'breach') > 0) = 1 AS is_breached,
    countIf(transition = 'correct') > 0 AS is_corrected,
    argMax(transition, order_of) NOT IN ('fulfil', 'cancel') AS is_running,
    multiIf(
        is_fulfilled AND is_breached, 'breached_then_met',
        is_fulfilled, 'met',
        is_breached, 'breached',
        argMax(transition, order_of) = 'cancel', 'cancelled',
        argMax(transition, order_of) = 'pause', 'paused',
        'active'
    ) AS state
FROM (SELECT *, (sequence, version) AS order_of FROM clocks FINAL) AS ledger
GROUP BY ticket_id, episode, clock, instance;
