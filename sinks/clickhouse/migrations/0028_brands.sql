-- What the customer wrote to, of several names under one roof: '' where none is configured, and in rows from before.
ALTER TABLE tickets ADD COLUMN IF NOT EXISTS brand LowCardinality(String);
ALTER TABLE contacts ADD COLUMN IF NOT EXISTS brand LowCardinality(String);
ALTER TABLE acknowledgements ADD COLUMN IF NOT EXISTS brand LowCardinality(String);
ALTER TABLE tags ADD COLUMN IF NOT EXISTS brand LowCardinality(String);
ALTER TABLE clocks ADD COLUMN IF NOT EXISTS brand LowCardinality(String);
ALTER TABLE ticket_clocks ADD COLUMN IF NOT EXISTS brand LowCardinality(String);
ALTER TABLE clock_shares ADD COLUMN IF NOT EXISTS brand LowCardinality(String);
ALTER TABLE conversations ADD COLUMN IF NOT EXISTS brand LowCardinality(String);
ALTER TABLE repeats ADD COLUMN IF NOT EXISTS brand LowCardinality(String);
ALTER TABLE resolutions ADD COLUMN IF NOT EXISTS brand LowCardinality(String);
ALTER TABLE surveys ADD COLUMN IF NOT EXISTS brand LowCardinality(String);
ALTER TABLE survey_invitations ADD COLUMN IF NOT EXISTS brand LowCardinality(String);
ALTER TABLE follow_ups ADD COLUMN IF NOT EXISTS brand LowCardinality(String);
ALTER TABLE assignments ADD COLUMN IF NOT EXISTS brand LowCardinality(String);
ALTER TABLE deliveries ADD COLUMN IF NOT EXISTS brand LowCardinality(String);

-- Panes of different brands are different rows: the column is part of their key.
ALTER TABLE panes
    ADD COLUMN IF NOT EXISTS brand LowCardinality(String),
    MODIFY ORDER BY (partition, part, start, channel, team, priority, policy, brand);
ALTER TABLE pane_buckets
    ADD COLUMN IF NOT EXISTS brand LowCardinality(String),
    MODIFY ORDER BY (start, measure, channel, team, priority, policy, partition, part, bucket, brand);
