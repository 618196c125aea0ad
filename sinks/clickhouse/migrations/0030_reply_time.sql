-- How long the customer waited for answers in all, no minute counted twice; NULL in rows from before.
ALTER TABLE ticket_clocks
    ADD COLUMN IF NOT EXISTS reply_seconds Nullable(Float64),
    ADD COLUMN IF NOT EXISTS reply_business_seconds Nullable(Float64);
