-- Contact rate by day (UTC) and brand: contacts per 100 orders. A contact is each message or call of a customer, as in the windows;
-- tickets per 100 orders beside it count a conversation once. Source: contacts, without imported history.
-- NULL, never 0, on a day without orders.
CREATE OR REPLACE VIEW contact_rate AS
SELECT
    toDate(contacts.at) AS day,
    countIf(kind IN ('message_received', 'call_ended')) AS contacts_received,
    countIf(opened_ticket) AS tickets_created,
    countIf(kind = 'order_placed') AS orders,
    100 * countIf(kind IN ('message_received', 'call_ended')) / nullIf(countIf(kind = 'order_placed'), 0) AS contacts_per_100_orders,
    100 * countIf(opened_ticket) / nullIf(countIf(kind = 'order_placed'), 0) AS tickets_per_100_orders,
    brand
FROM contacts FINAL
WHERE NOT imported
GROUP BY day, brand
ORDER BY day, brand;
