-- What each reason to contact us costs, and what it does to people, by week (UTC, from Monday, in which the ticket got the tag) and
-- brand: the value-irritant matrix. Without imported history. Sources: tags, tickets, handle_times, repeats, cost_of_work.
--   quadrant        eliminate (irritates both), automate (us alone), simplify (the customer alone), leverage (valuable to both)
--   tickets         tickets with this tag; customers who wrote them
--   handle_seconds  what people worked on them, whenever that was (view handle_times: written answers from assignment to answer, capped;
--                   talk and chat time). A ticket with several tags gives each an equal part, so that sums over tags are right
--   cost            of that time, by DESKSTREAM_COST_PER_HANDLED_HOUR
--   handled_share   of the tickets, those with any measured work
--   csat_average    of those that were scored, with the worst and how many
--   repeat_rate     contacts about it again within 7 days, in that week, per ticket
CREATE OR REPLACE VIEW value_irritant_matrix AS
SELECT
    counted.week AS week,
    counted.brand AS brand,
    counted.tag AS tag,
    counted.quadrant AS quadrant,
    counted.valence AS valence,
    counted.owner_team AS owner_team,
    counted.tickets AS tickets,
    counted.customers AS customers,
    counted.handle_seconds AS handle_seconds,
    counted.handle_seconds / counted.tickets AS handle_seconds_per_ticket,
    counted.handled_share AS handled_share,
    counted.handle_seconds / 3600 * (SELECT any(per_handled_hour) FROM cost_of_work) AS cost,
    cost / counted.tickets AS cost_per_ticket,
    counted.csat_average AS csat_average,
    counted.csat_worst AS csat_worst,
    counted.csat_answers AS csat_answers,
    again.contacts AS repeat_contacts,
    again.contacts / counted.tickets AS repeat_rate
FROM
(
    SELECT
        toMonday(tagged.at) AS week,
        tagged.brand AS brand,
        tagged.tag AS tag,
        anyLast(tagged.quadrant) AS quadrant,
        anyLast(tagged.valence) AS valence,
        anyLast(tagged.owner_team) AS owner_team,
        count() AS tickets,
        uniqExact(tagged.customer_tag) AS customers,
        sum(work.handle_seconds / tagged.tags_of_ticket) AS handle_seconds,
        countIf(work.handle_seconds > 0) / count() AS handled_share,
        avgOrNull(t.csat) AS csat_average,
        minOrNull(t.csat) AS csat_worst,
        count(t.csat) AS csat_answers
    FROM
    (
        SELECT
            tags.at AS at,
            tags.brand AS brand,
            tags.tag AS tag,
            tags.quadrant AS quadrant,
            tags.valence AS valence,
            tags.owner_team AS owner_team,
            tags.customer_tag AS customer_tag,
            tags.ticket_id AS ticket_id,
            count() OVER (PARTITION BY tags.ticket_id) AS tags_of_ticket
        FROM tags FINAL
        WHERE tags.active
    ) AS tagged
    INNER JOIN (SELECT ticket_id, csat FROM tickets FINAL WHERE NOT imported) AS t ON t.ticket_id = tagged.ticket_id
    LEFT JOIN
    (
        SELECT ticket_id, sum(ifNull(handle_seconds, 0)) AS handle_seconds FROM handle_times GROUP BY ticket_id
    ) AS work ON work.ticket_id = tagged.ticket_id
    GROUP BY week, brand, tag
) AS counted
LEFT JOIN
(
    SELECT toMonday(repeats.at) AS week, brand, tag, count() AS contacts
    FROM repeats FINAL
    WHERE NOT imported
    GROUP BY week, brand, tag
) AS again ON again.week = counted.week AND again.brand = counted.brand AND again.tag = counted.tag
ORDER BY week DESC, cost DESC, tickets DESC, tag, brand;
