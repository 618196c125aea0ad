-- Every time by which an acknowledgement promised an answer: until when, when a person answered, and whether that was by
-- then. `is_kept` is NULL while it is open and for what was solved or closed without an answer before then. An open one whose
-- time has passed will be broken with the next tick. Source: promises.
CREATE OR REPLACE VIEW promise_kept AS
SELECT
    ticket_id,
    episode,
    brand,
    channel,
    team,
    policy,
    given_at,
    promised_at,
    answered_at,
    outcome,
    multiIf(outcome = 'kept', true, outcome = 'broken', false, NULL) AS is_kept,
    dateDiff('second', given_at, promised_at) AS promised_seconds,
    dateDiff('second', given_at, answered_at) AS answered_seconds,
    if(answered_at IS NULL, NULL, greatest(0, dateDiff('second', promised_at, answered_at))) AS late_seconds
FROM promises FINAL;
