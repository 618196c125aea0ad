-- How it was verified that the sender of a contact is who it says, and what was sent to a ticket by who takes no part in it.
ALTER TABLE contacts
    ADD COLUMN IF NOT EXISTS verified LowCardinality(String),
    ADD COLUMN IF NOT EXISTS third_party Bool;

ALTER TABLE tickets
    ADD COLUMN IF NOT EXISTS verified LowCardinality(String),
    ADD COLUMN IF NOT EXISTS third_party_messages UInt32;
