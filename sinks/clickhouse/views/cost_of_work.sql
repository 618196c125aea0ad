-- What an hour costs in which a person works on contacts. `python -m sinks migrate` and the ClickHouse sink put the setting
-- DESKSTREAM_COST_PER_HANDLED_HOUR here, in your currency.
CREATE OR REPLACE VIEW cost_of_work AS
SELECT toFloat64(30) AS per_handled_hour;
