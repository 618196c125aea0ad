-- First contact resolution by channel, team and brand. An episode counts when it was solved in one public answer of a person (a
-- chat conversation is one answer), not reopened, and its customer did not contact us about one of its tags on another
-- ticket, all within 7 days of the solve (`resolution_days`). Source: resolutions, where each is decided at that end, or
-- by what falsified it. Imported history waits for no tick: what was not falsified by its end counts here as kept.
-- The share is of those that are decided; NULL, never 0, where none is.
CREATE OR REPLACE VIEW first_contact_resolution AS
SELECT
    channel,
    team,
    count() AS solved,
    countIf(decision IS NOT NULL) AS decided,
    countIf(decision = 1) AS kept,
    countIf(decision IS NULL) AS undecided,
    countIf(decision = 1) / nullIf(countIf(decision IS NOT NULL), 0) AS fcr_share,
    countIf(reason = 'several_answers') AS lost_several_answers,
    countIf(reason = 'no_answer') AS lost_no_answer,
    countIf(reason = 'reopened') AS lost_reopened,
    countIf(reason = 'contacted_again') AS lost_contacted_again,
    brand
FROM (
    SELECT
        channel,
        team,
        brand,
        reason,
        if(
            fcr IS NULL AND imported AND decide_at <= now64(6),
            toNullable(toUInt8(public_answers = 1)),
            toNullable(CAST(fcr, 'Nullable(UInt8)'))
        ) AS decision
    FROM resolutions FINAL
)
GROUP BY channel, team, brand
ORDER BY channel, team, brand;
