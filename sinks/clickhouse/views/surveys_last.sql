-- One row per survey that a person answered: the last answer beside the first one. Votes that look like a mail scanner's
-- are in no figure. Source: surveys; `agent_id` and `team` are those who solved the episode, however late the answer is.
-- The words are the last ones of each kind: what went wrong is asked after the score.
CREATE OR REPLACE VIEW surveys_last AS
SELECT
    ticket_id,
    episode,
    argMax(surveys.survey_id, surveys.answer) AS survey_id,
    argMax(surveys.channel, surveys.answer) AS channel,
    argMax(surveys.team, surveys.answer) AS team,
    argMax(surveys.agent_id, surveys.answer) AS agent_id,
    argMaxIf(surveys.csat, surveys.answer, surveys.csat IS NOT NULL) AS csat,
    argMaxIf(surveys.ces, surveys.answer, surveys.ces IS NOT NULL) AS ces,
    argMin(tuple(surveys.first_csat), if(surveys.first_csat IS NULL, 4294967295, surveys.answer)).1 AS first_csat,
    argMin(tuple(surveys.first_ces), if(surveys.first_ces IS NULL, 4294967295, surveys.answer)).1 AS first_ces,
    argMaxIf(surveys.comment, surveys.answer, surveys.comment != '') AS comment,
    argMaxIf(surveys.went_wrong, surveys.answer, surveys.went_wrong != '') AS went_wrong,
    count() AS answers,
    min(surveys.at) AS first_at,
    max(surveys.at) AS last_at,
    max(surveys.follow_up) AS follow_up,
    max(surveys.imported) AS imported,
    argMax(surveys.brand, surveys.answer) AS brand
FROM surveys FINAL
WHERE NOT scanner
GROUP BY ticket_id, episode, if(surveys.episode = 0, surveys.survey_id, '');
