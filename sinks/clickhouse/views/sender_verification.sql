-- How the senders of contacts were verified, by day (UTC), channel and brand; without imported history. A share of `none` that rises on
-- e-mail: is DESKSTREAM_MAIL_AUTHSERV_ID still the name that the mail server writes?
CREATE OR REPLACE VIEW sender_verification AS
SELECT
    toDate(at) AS day,
    channel,
    verified,
    count() AS contacts,
    countIf(third_party) AS third_party_messages,
    brand
FROM contacts FINAL
WHERE kind IN ('message_received', 'call_ended') AND NOT imported
GROUP BY day, channel, verified, brand
ORDER BY day, channel, verified, brand;
