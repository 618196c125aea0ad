-- What became of the suggestions of tags: how many tag by themselves, how many of these a person took away, and how many
-- of those that were only shown a person put on.
CREATE OR REPLACE VIEW suggestion_quality AS
SELECT
    s.language AS language,
    s.tag AS tag,
    s.model AS model,
    s.brand AS brand,
    countIf(s.outcome = 'tagged') AS tagged,
    countIf(s.outcome = 'tagged' AND NOT t.active) AS tagged_and_removed,
    countIf(s.outcome = 'shown') AS shown,
    countIf(s.outcome = 'shown' AND t.active AND t.origin = 'agent') AS shown_and_taken,
    avgOrNull(s.confidence) AS confidence_average,
    max(s.at) AS last_at
FROM tag_suggestions AS s FINAL
LEFT JOIN (SELECT ticket_id, tag, active, origin FROM tags FINAL) AS t ON t.ticket_id = s.ticket_id AND t.tag = s.tag
GROUP BY language, tag, model, brand
ORDER BY tagged + shown DESC, language, tag, model, brand;
