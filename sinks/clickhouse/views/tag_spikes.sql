-- Tags that broke out of their own daily and weekly rhythm, the latest first: how many contacts since when, how many are usual in
-- that time, and the last tickets of it. Of a brand, or of all contacts together (brand ''). One that is on has `is_on`, and
-- figures as of `at`. `seconds_to_detect` is from its first contact to when it was said. Source: spikes.
CREATE OR REPLACE VIEW tag_spikes AS
SELECT
    tag,
    brand,
    quadrant,
    valence,
    owner_team,
    since,
    detected_at,
    ended_at,
    ended_at IS NULL AS is_on,
    contacts,
    expected,
    if(expected > 0, contacts / expected, NULL) AS times_usual,
    usual_per_hour,
    dispersion,
    dateDiff('millisecond', since, detected_at) / 1000 AS seconds_to_detect,
    tickets,
    at
FROM spikes FINAL
ORDER BY since DESC, tag, brand;
