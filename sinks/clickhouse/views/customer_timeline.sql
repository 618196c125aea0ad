-- Everything that happened with a customer, on every channel, in order: filter by customer_tag.
CREATE OR REPLACE VIEW customer_timeline AS
SELECT customer_tag, at, kind, direction, channel, ticket_id, author, public, subject, text, detail, event_id
FROM contacts FINAL
ORDER BY customer_tag, at, event_id;
