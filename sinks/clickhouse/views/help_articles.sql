-- Articles of the help centre over the 90 days before the newest contact, by article and language: who read it, whom it helped,
-- and who contacted us within 24 hours of reading it nevertheless. Visitors are visits of the help pages, or the customers that
-- another help centre reports. `days_unread` counts from the last reading, and is NULL for what nobody read in these days.
-- `is_published`: our help pages have it (they say so once a day). Source: contacts, without imported history.
CREATE OR REPLACE VIEW help_articles AS
SELECT
    article,
    language,
    countIf(reads > 0) AS readers,
    sum(reads) AS readings,
    countIf(vote = 'helped') AS helped,
    countIf(vote = 'not_helped') AS not_helped,
    countIf(vote = 'helped') / nullIf(countIf(vote != ''), 0) AS helped_share,
    countIf(reads > 0 AND contacted) AS contacted_after,
    countIf(reads > 0 AND contacted) / nullIf(countIf(reads > 0), 0) AS contacted_share,
    maxOrNullIf(last_read, reads > 0) AS last_read_at,
    dateDiff('day', maxOrNullIf(last_read, reads > 0), max(newest)) AS days_unread,
    max(published_at) >= max(newest) - INTERVAL 2 DAY AS is_published
FROM (
    SELECT
        v.article AS article,
        v.language AS language,
        v.reads AS reads,
        v.vote AS vote,
        v.last_read AS last_read,
        v.published_at AS published_at,
        v.newest AS newest,
        arrayExists(t -> t >= v.first_read AND t < v.last_read + INTERVAL 24 HOUR, c.times) AS contacted
    FROM (
        SELECT
            customer_tag,
            detail AS article,
            contacts.language AS language,
            countIf(text = '') AS reads,
            argMaxIf(text, contacts.at, text IN ('helped', 'not_helped')) AS vote,
            minIf(contacts.at, text = '') AS first_read,
            maxIf(contacts.at, text = '') AS last_read,
            maxIf(contacts.at, text = 'published') AS published_at,
            (SELECT max(at) FROM contacts) AS newest
        FROM contacts FINAL
        WHERE kind = 'article_viewed' AND detail != '' AND text IN ('', 'helped', 'not_helped', 'published') AND NOT imported
            AND contacts.at > (SELECT max(at) FROM contacts) - INTERVAL 90 DAY
        GROUP BY customer_tag, article, language
    ) AS v
    LEFT JOIN (
        SELECT customer_tag, groupArray(contacts.at) AS times
        FROM contacts FINAL
        WHERE (kind IN ('message_received', 'call_ended') OR (kind = 'article_viewed' AND text IN ('contacted', 'chat')))
            AND NOT imported
        GROUP BY customer_tag
    ) AS c ON c.customer_tag = v.customer_tag
)
GROUP BY article, language
ORDER BY contacted_after DESC, readers, article, language;
