-- What was searched for in the help centre over the 90 days before the newest contact, by language and words in lower case: how
-- often, by how many visitors, how often nothing was found, who then read an article and who contacted us, both within an hour of
-- the search. For authors: what many look for and nobody finds stands first. Source: contacts, without imported history.
CREATE OR REPLACE VIEW help_searches AS
SELECT
    language,
    search,
    sum(searches) AS searches,
    count() AS visitors,
    sum(nothing) AS found_nothing,
    countIf(arrayExists(t -> t >= first_at AND t < last_at + INTERVAL 1 HOUR, read_at)) AS read_after,
    countIf(arrayExists(t -> t >= first_at AND t < last_at + INTERVAL 1 HOUR, contacted_at)) AS contacted_after,
    max(last_at) AS last_searched_at
FROM (
    SELECT
        s.language AS language,
        s.search AS search,
        s.searches AS searches,
        s.nothing AS nothing,
        s.first_at AS first_at,
        s.last_at AS last_at,
        n.read_at AS read_at,
        n.contacted_at AS contacted_at
    FROM (
        SELECT
            customer_tag,
            contacts.language AS language,
            lowerUTF8(trimBoth(detail)) AS search,
            count() AS searches,
            countIf(text = 'found_nothing') AS nothing,
            min(contacts.at) AS first_at,
            max(contacts.at) AS last_at
        FROM contacts FINAL
        WHERE kind = 'article_viewed' AND text IN ('searched', 'found_nothing') AND detail != '' AND NOT imported
            AND contacts.at > (SELECT max(at) FROM contacts) - INTERVAL 90 DAY
        GROUP BY customer_tag, language, search
    ) AS s
    LEFT JOIN (
        SELECT
            customer_tag,
            groupArrayIf(contacts.at, kind = 'article_viewed' AND text = '') AS read_at,
            groupArrayIf(contacts.at, kind != 'article_viewed' OR text IN ('contacted', 'chat')) AS contacted_at
        FROM contacts FINAL
        WHERE kind IN ('article_viewed', 'message_received', 'call_ended') AND NOT imported
        GROUP BY customer_tag
    ) AS n ON n.customer_tag = s.customer_tag
)
GROUP BY language, search
ORDER BY found_nothing DESC, searches DESC, search, language;
