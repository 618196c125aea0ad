-- Advice on the wording of public answers, per day, team of the ticket, group of the agent (the team of its last presence), language
-- and kind: how much advice, on how many answers, and its share of the answers that the group gave that day. Counts only.
-- Answers of a history, and from before the column, have no advice. Source: contacts, tickets, presences.
CREATE OR REPLACE VIEW language_advice AS
WITH
    answers AS (
        SELECT toDate(c.at) AS day, t.team AS team, p.agent_group AS agent_group, c.language AS language, c.brand AS brand, c.advice AS advice
        FROM (SELECT * FROM contacts FINAL WHERE kind = 'agent_replied' AND public AND NOT imported) AS c
        LEFT JOIN (SELECT ticket_id, team FROM tickets FINAL) AS t ON t.ticket_id = c.ticket_id
        LEFT JOIN (SELECT agent_id, argMax(team, at) AS agent_group FROM presences GROUP BY agent_id) AS p ON p.agent_id = c.author
    ),
    given AS (
        SELECT day, team, agent_group, language, brand, count() AS answers
        FROM answers
        GROUP BY day, team, agent_group, language, brand
    )
SELECT
    a.day AS day,
    a.brand AS brand,
    a.team AS team,
    a.agent_group AS agent_group,
    a.language AS language,
    a.kind AS kind,
    sum(a.pieces) AS advice,
    count() AS answers_with_advice,
    any(g.answers) AS answers,
    round(count() / any(g.answers), 4) AS share
FROM
    (
        SELECT day, brand, team, agent_group, language, kind, countEqual(advice, kind) AS pieces
        FROM answers
        ARRAY JOIN arrayDistinct(advice) AS kind
    ) AS a
    INNER JOIN given AS g USING (day, brand, team, agent_group, language)
GROUP BY day, brand, team, agent_group, language, kind
ORDER BY day, brand, team, agent_group, language, kind;
