-- Everything that happened with a customer, on every channel, in order: filter by customer_tag. `verified` says how it was
-- verified that the customer did it (none: anybody may have); a `third_party` takes no part in the ticket that it names.
CREATE OR REPLACE VIEW customer_timeline AS
SELECT
    customer_tag, at, kind, direction, channel, ticket_id, author, public, subject, text, detail, event_id, verified, third_party, brand
FROM contacts FINAL
ORDER BY customer_tag, at, event_id;
