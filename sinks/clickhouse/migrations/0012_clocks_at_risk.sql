-- Warnings before a deadline, why a clock was cancelled, and the policy that would start a clock now.
ALTER TABLE clocks ADD COLUMN IF NOT EXISTS threshold UInt8;
ALTER TABLE clocks ADD COLUMN IF NOT EXISTS reason LowCardinality(String);
ALTER TABLE clocks ADD COLUMN IF NOT EXISTS ticket_policy LowCardinality(String);
