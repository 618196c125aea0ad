-- What became of the offers to each agent, by team, channel, brand and day (UTC) of the offer. Source: offers.
--   accepted_share   of those that ended by the agent's doing: accepted, declined or missed; NULL without any
--   accept_seconds   mean time from the offer to its acceptance; NULL without one
--   late             answers that came when the offer was over; no offers of their own: many say that `accept` is too short
CREATE OR REPLACE VIEW agent_offers AS
SELECT
    toDate(offered_at) AS day,
    team,
    agent_id,
    channel,
    brand,
    countIf(outcome != 'late') AS offers,
    countIf(outcome = 'accepted') AS accepted,
    countIf(outcome = 'declined') AS declined,
    countIf(outcome = 'missed') AS missed,
    countIf(outcome = 'withdrawn') AS withdrawn,
    countIf(outcome = 'open') AS open,
    countIf(outcome = 'late') AS late,
    if(accepted + declined + missed = 0, NULL, accepted / (accepted + declined + missed)) AS accepted_share,
    if(accepted = 0, NULL, sumIf(dateDiff('microsecond', offered_at, ended_at), outcome = 'accepted') / accepted / 1e6)
        AS accept_seconds
FROM offers FINAL
GROUP BY day, team, agent_id, channel, brand
ORDER BY day, team, agent_id, channel, brand;
