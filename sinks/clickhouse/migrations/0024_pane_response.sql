-- The response rate of windows is that of who was invited, as in survey_response.
ALTER TABLE panes ADD COLUMN IF NOT EXISTS surveys_answered_invited Int32;
