-- Reopened, transferred and scored, by channel, team and brand of the ticket now. Source: tickets, without imported history.
--   reopen rate          = tickets that were ever reopened / tickets that were ever solved
--   transfers per ticket = transfers / tickets, with the most of one ticket
-- NULL, never 0, where there is nothing to divide by.
CREATE OR REPLACE VIEW ticket_rates AS
SELECT
    channel,
    team,
    count() AS tickets,
    countIf(first_solved_at IS NOT NULL) AS ever_solved,
    countIf(reopens > 0) AS ever_reopened,
    countIf(reopens > 0 AND first_solved_at IS NOT NULL) / nullIf(countIf(first_solved_at IS NOT NULL), 0) AS reopen_rate,
    sum(tickets.transfers) / nullIf(count(), 0) AS transfers_per_ticket,
    max(tickets.transfers) AS transfers_most,
    countIf(transfers > 0) AS ever_transferred,
    brand
FROM tickets FINAL
WHERE NOT imported
GROUP BY channel, team, brand
ORDER BY channel, team, brand;
