-- Reasons that customers contact us about again within 7 days (`repeat_within_days`), by brand, most frequent first: a contact that
-- opens or reopens a ticket about a why-tag of an earlier contact of that customer, good news aside. Source: repeats.
CREATE OR REPLACE VIEW repeat_contacts AS
SELECT
    tag,
    any(repeats.quadrant) AS quadrant,
    count() AS repeat_contacts,
    uniqExact(customer_tag) AS customers,
    avg(seconds) / 3600 AS hours_between_average,
    quantileExact(0.5)(seconds) / 3600 AS hours_between_median,
    min(seconds) / 3600 AS hours_between_shortest,
    max(repeats.at) AS last_at,
    brand
FROM repeats FINAL
GROUP BY tag, brand
ORDER BY repeat_contacts DESC, tag, brand;
