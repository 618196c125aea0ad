-- Calls and chats by day (UTC, of their end), channel, team and brand, without imported history. Source: conversations.
--   ASA, average speed of answer = mean seconds that customers waited, of conversations that a person answered
--   AHT, average handle time     = mean seconds that a person had it: talk time of a call, from first answer to end of a chat
--   abandonment rate             = abandoned / (answered + abandoned): gave up before a person answered
-- Each average stands with its median and its longest. NULL, never 0, where there is nothing to average.
CREATE OR REPLACE VIEW service_times AS
SELECT
    toDate(conversations.at) AS day,
    channel,
    team,
    count() AS offered,
    countIf(outcome = 'answered') AS answered,
    countIf(outcome = 'abandoned') AS abandoned,
    countIf(outcome NOT IN ('answered', 'abandoned')) AS otherwise,
    avgOrNullIf(wait_seconds, outcome = 'answered') AS asa_seconds,
    quantileExactOrNullIf(0.5)(wait_seconds, outcome = 'answered') AS answer_seconds_median,
    maxOrNullIf(wait_seconds, outcome = 'answered') AS answer_seconds_longest,
    avgOrNullIf(wait_seconds, outcome = 'abandoned') AS abandoned_after_seconds_average,
    quantileExactOrNullIf(0.5)(wait_seconds, outcome = 'abandoned') AS abandoned_after_seconds_median,
    maxOrNullIf(wait_seconds, outcome = 'abandoned') AS abandoned_after_seconds_longest,
    countIf(handle_seconds IS NOT NULL) AS handled,
    avgOrNull(handle_seconds) AS aht_seconds,
    quantileExactOrNull(0.5)(handle_seconds) AS handle_seconds_median,
    maxOrNull(handle_seconds) AS handle_seconds_longest,
    countIf(outcome = 'abandoned') / nullIf(countIf(outcome IN ('answered', 'abandoned')), 0) AS abandonment_rate,
    brand
FROM conversations FINAL
WHERE NOT imported
GROUP BY day, channel, team, brand
ORDER BY day, channel, team, brand;
