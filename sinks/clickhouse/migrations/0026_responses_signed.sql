-- Counts of responses may be negative, where one part of a pane corrects another: an earlier answer that arrives late takes
-- the place of the one that was measured.
ALTER TABLE panes
    MODIFY COLUMN IF EXISTS first_responses Int32,
    MODIFY COLUMN IF EXISTS first_responses_within_target Int32,
    MODIFY COLUMN IF EXISTS next_responses Int32;

ALTER TABLE pane_buckets MODIFY COLUMN IF EXISTS count Int32;
