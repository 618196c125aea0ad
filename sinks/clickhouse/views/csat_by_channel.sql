-- Satisfaction by channel and brand: the average with its distribution and the worst score. One answer per ticket and resolution
-- episode, the last one of a person (surveys_last), whether in the chat's window or by mail; it counts for the channel that
-- it came by. A score stands when only words follow it. Votes that look like a mail scanner's count nowhere.
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
    minOrNull(ces) AS ces_worst,
    countIf(ces = 1) AS ces_1,
    countIf(ces = 2) AS ces_2,
    countIf(ces = 3) AS ces_3,
    countIf(ces = 4) AS ces_4,
    countIf(ces = 5) AS ces_5,
    countIf(ces = 6) AS ces_6,
    countIf(ces = 7) AS ces_7,
    countIf(comment != '') AS comments,
    brand
FROM surveys_last
GROUP BY channel, brand
ORDER BY channel, brand;
