-- The messages of tickets whose tags a person put on, to train the suggester with: the first message of each, and the tag.
CREATE OR REPLACE VIEW corrected_texts AS
SELECT
    c.first_text AS text,
    c.first_language AS language,
    t.tag AS tag,
    t.at AS corrected_at,
    t.brand AS brand
FROM (SELECT ticket_id, tag, at, brand FROM tags FINAL WHERE active AND origin = 'agent') AS t
INNER JOIN (
    SELECT ticket_id, argMin(text, at) AS first_text, argMin(language, at) AS first_language
    FROM contacts FINAL
    WHERE direction = 'in' AND kind = 'message_received' AND text != ''
    GROUP BY ticket_id
) AS c ON c.ticket_id = t.ticket_id
ORDER BY corrected_at, text, tag;
