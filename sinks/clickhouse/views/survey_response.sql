-- Who was asked how it was, by channel, team and brand, and who answered: resolution episodes, invitations sent and withheld
-- (with the reasons), and the response rate = answered by a person / invited. Answers that nobody invited to (in the chat
-- window, from another help desk) are shown apart and are not in the rate. Sources: survey_invitations, surveys without
-- scanners' votes. NULL, never 0, where nobody was invited.
CREATE OR REPLACE VIEW survey_response AS
SELECT
    asked.channel AS channel,
    asked.team AS team,
    count() AS episodes,
    countIf(asked.outcome = 'sent') AS invited,
    countIf(asked.outcome = 'withheld') AS withheld,
    sumMapIf([asked.reason], [toUInt64(1)], asked.outcome = 'withheld') AS withheld_reasons,
    countIf(asked.outcome = 'sent' AND answered.ticket_id != '') AS invited_and_answered,
    countIf(asked.outcome != 'sent' AND answered.ticket_id != '') AS answered_uninvited,
    countIf(asked.outcome = 'sent' AND answered.ticket_id != '')
        / nullIf(countIf(asked.outcome = 'sent'), 0) AS response_rate,
    asked.brand AS brand
FROM (SELECT * FROM survey_invitations FINAL) AS asked
LEFT JOIN (SELECT DISTINCT ticket_id, episode FROM surveys FINAL WHERE NOT scanner) AS answered
    ON answered.ticket_id = asked.ticket_id AND answered.episode = asked.episode
GROUP BY channel, team, brand
ORDER BY channel, team, brand;
