-- Kinds of advice on the wording of an answer, one each: counts, never the words.
ALTER TABLE contacts
    ADD COLUMN IF NOT EXISTS advice Array(LowCardinality(String));
