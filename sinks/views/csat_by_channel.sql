-- Satisfaction by channel, from the last answer of a person to each survey: the average with its distribution and
-- the worst score. Votes that look like a mail scanner's count nowhere.
CREATE OR REPLACE VIEW csat_by_channel AS
SELECT
    channel,
    count() AS surveys_answered,
    countIf(csat IS NOT NULL) AS csat_answers,
    avgOrNull(csat) AS csat_average,
    minOrNull(csat) AS csat_worst,
    countIf(csat = 1) AS csat_1,
    countIf(csat = 2) AS csat_2,
    countIf(csat = 3) AS csat_3,
    countIf(csat = 4) AS csat_4,
    countIf(csat = 5) AS csat_5,
    countIf(csat <= 2) / nullIf(countIf(csat IS NOT NULL), 0) AS csat_low_share,
    countIf(ces IS NOT NULL) AS ces_answers,
    avgOrNull(ces) AS ces_average,
    countIf(comment != '') AS comments
FROM (
    SELECT
        survey_id,
        argMax(surveys.channel, surveys.answer) AS channel,
        argMax(tuple(surveys.csat), surveys.answer).1 AS csat,
        argMax(tuple(surveys.ces), surveys.answer).1 AS ces,
        argMax(surveys.comment, surveys.answer) AS comment
    FROM surveys FINAL
    WHERE NOT scanner
    GROUP BY survey_id
)
GROUP BY channel
ORDER BY channel;
