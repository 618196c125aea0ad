-- Why customers contact us: the tags on tickets by brand, most frequent first, with what each does to people.
CREATE OR REPLACE VIEW tag_ranking AS
SELECT
    tag,
    any(tags.quadrant) AS quadrant,
    any(tags.valence) AS valence,
    any(tags.owner_team) AS owner_team,
    uniqExact(tags.ticket_id) AS tickets,
    uniqExact(tags.ticket_id) / (SELECT nullIf(count(), 0) FROM tickets FINAL) AS share_of_tickets,
    uniqExact(tags.customer_tag) AS customers,
    uniqExactIf(tags.ticket_id, t.dissatisfied) AS dissatisfied_tickets,
    uniqExactIf(tags.ticket_id, t.status NOT IN ('solved', 'closed')) AS unsolved_tickets,
    avgOrNull(t.csat) AS csat_average,
    minOrNull(t.csat) AS csat_worst,
    countIf(t.csat = 1) AS csat_1,
    countIf(t.csat = 2) AS csat_2,
    countIf(t.csat = 3) AS csat_3,
    countIf(t.csat = 4) AS csat_4,
    countIf(t.csat = 5) AS csat_5,
    avgOrNull(t.first_response_seconds) AS first_response_seconds_average,
    quantileExactOrNull(0.5)(t.first_response_seconds) AS first_response_seconds_median,
    maxOrNull(t.first_response_seconds) AS first_response_seconds_longest,
    countIf(tags.origin = 'agent') AS set_by_agents,
    max(tags.at) AS last_at,
    tags.brand AS brand
FROM tags FINAL
LEFT JOIN (SELECT * FROM tickets FINAL) AS t ON t.ticket_id = tags.ticket_id
WHERE tags.active
GROUP BY tag, brand
ORDER BY tickets DESC, tag, brand;
