-- Self-service deflection by day (UTC): of the customers who read help articles or asked the bot on a day, the share who
-- contacted nobody from their first step on that day until 24 hours after their last one. Who has not, and whose 24 hours
-- are not over by the newest contact that we know, is undecided and not in the share. `said_solved` are those who told the
-- bot, or the page of an article, that it helped. A visit of our help pages has no name: it contacted us when the form was sent,
-- or the chat opened, from there. Source: contacts, without imported history. NULL, never 0, where nothing is decided.
CREATE OR REPLACE VIEW self_service AS
SELECT
    day,
    count() AS customers,
    countIf(contacted) AS contacted_us,
    countIf(NOT contacted AND is_over) AS deflected,
    countIf(NOT contacted AND NOT is_over) AS undecided,
    countIf(said) AS said_solved,
    countIf(NOT contacted AND is_over) / nullIf(countIf(contacted OR is_over), 0) AS deflection_share
FROM (
    SELECT
        v.day AS day,
        v.said AS said,
        arrayExists(t -> t >= v.first_at AND t < v.last_at + INTERVAL 24 HOUR, c.times) AS contacted,
        v.last_at + INTERVAL 24 HOUR <= (SELECT max(at) FROM contacts) AS is_over
    FROM (
        SELECT
            customer_tag,
            toDate(contacts.at) AS day,
            min(contacts.at) AS first_at,
            max(contacts.at) AS last_at,
            max((kind = 'bot_answered' AND detail = 'resolved') OR (kind = 'article_viewed' AND text = 'helped')) AS said
        FROM contacts FINAL
        WHERE kind IN ('article_viewed', 'bot_answered') AND NOT (kind = 'article_viewed' AND text = 'published') AND NOT imported
        GROUP BY customer_tag, day
    ) AS v
    LEFT JOIN (
        SELECT customer_tag, groupArray(contacts.at) AS times
        FROM contacts FINAL
        WHERE (kind IN ('message_received', 'call_ended') OR (kind = 'article_viewed' AND text IN ('contacted', 'chat')))
            AND NOT imported
        GROUP BY customer_tag
    ) AS c ON c.customer_tag = v.customer_tag
)
GROUP BY day
ORDER BY day;
