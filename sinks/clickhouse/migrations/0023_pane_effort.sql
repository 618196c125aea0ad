-- No average without its distribution: effort by score, and the longest handling time.
ALTER TABLE panes
    ADD COLUMN IF NOT EXISTS handled_seconds_max Float64,
    ADD COLUMN IF NOT EXISTS ces_1 Int32,
    ADD COLUMN IF NOT EXISTS ces_2 Int32,
    ADD COLUMN IF NOT EXISTS ces_3 Int32,
    ADD COLUMN IF NOT EXISTS ces_4 Int32,
    ADD COLUMN IF NOT EXISTS ces_5 Int32,
    ADD COLUMN IF NOT EXISTS ces_6 Int32,
    ADD COLUMN IF NOT EXISTS ces_7 Int32;
