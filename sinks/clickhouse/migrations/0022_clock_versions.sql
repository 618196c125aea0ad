-- Which edition of the rules a calendar, and the policy whose clock is charged, are those of.
ALTER TABLE ticket_clocks ADD COLUMN IF NOT EXISTS calendar_version LowCardinality(String);
ALTER TABLE clock_shares ADD COLUMN IF NOT EXISTS policy_version LowCardinality(String);
