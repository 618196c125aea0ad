-- The addresses that nothing, or no surveys, is sent to now, and why; `python -m sinks delivery release ADDRESS_KEY` ends one.
-- `customer_id` is that of the ticket that the last report was about.
CREATE OR REPLACE VIEW suppressed_addresses AS
SELECT
    s.address_key AS address_key,
    s.state AS state,
    if(s.reason = '', 'unsubscribed', s.reason) AS reason,
    s.error_code AS error_code,
    s.since AS since,
    s.until AS until,
    s.unsubscribed AS unsubscribed,
    s.bounces AS bounces,
    s.customer_tag AS customer_tag,
    s.ticket_id AS ticket_id,
    t.customer_id AS customer_id,
    s.brand AS brand,
    s.at AS at
FROM suppressions AS s FINAL
LEFT JOIN (SELECT ticket_id, customer_id FROM tickets FINAL) AS t ON t.ticket_id = s.ticket_id
WHERE s.state = 'permanent' OR (s.state = 'temporary' AND s.until > now64(6)) OR s.unsubscribed
ORDER BY at DESC;
