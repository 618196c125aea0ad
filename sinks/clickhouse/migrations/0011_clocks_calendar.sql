-- Which calendar's working time a clock counts; '' when it runs day and night.
ALTER TABLE clocks ADD COLUMN IF NOT EXISTS calendar LowCardinality(String);
