-- Who held the ticket while a clock counted, piece by piece. A clock that still runs is charged with what its holders
-- had until the ticket last changed hands, or until the clock came to stand still.
CREATE TABLE charged ENGINE = MergeTree ORDER BY (ticket, clock, episode, instance, start) AS
WITH
    each AS
    (
        SELECT instances.*, n, part, stands_since, until, status, status_before, team, agent, changed_hands,
               multiIf(clock = 'requester_wait', ['new', 'open', 'hold'], clock = 'agent_work', ['new', 'open'], []) AS own
        FROM instances JOIN stations ON stations.ticket = instances.ticket
    ),
    written AS
    (
        SELECT ticket, clock, episode, instance, max(stands_since) AS last
        FROM each
        WHERE stop_n = 0 AND stands_since > start
            AND (changed_hands OR (has(own, status_before) AND NOT has(own, status)))
        GROUP BY ticket, clock, episode, instance
    )
SELECT ticket, clock, episode, instance, policy, calendar, team, agent, since AS start, upto AS stop
FROM
(
    SELECT each.*, greatest(start, stands_since) AS since, least(each.until, if(stop_n = 0, last, each.stop)) AS upto
    FROM each LEFT JOIN written USING (ticket, clock, episode, instance)
    WHERE empty(own) OR has(own, status)
)
WHERE since < upto;

CREATE TABLE our_shares ENGINE = MergeTree ORDER BY (ticket, clock, episode, team, agent) AS
SELECT
    ticket, clock, episode, team, agent,
    sum(stop - start) AS micros,
    if(argMax(each.calendar, (instance, start)) = '', NULL, sum(if(each.calendar = '', 0,
        60000000 * (b.before - a.before) + if(b.is_open, stop - 60000000 * b.minute, 0)
            - if(a.is_open, start - 60000000 * a.minute, 0)))) AS business,
    argMax(each.policy, instance) AS policy
FROM charged AS each
LEFT JOIN minutes AS a ON a.calendar = each.calendar AND a.minute = intDiv(start, 60000000)
LEFT JOIN minutes AS b ON b.calendar = each.calendar AND b.minute = intDiv(stop, 60000000)
GROUP BY ticket, clock, episode, team, agent;

-- Who turned out to have none after all has a row with 0.
CREATE VIEW their_shares AS
SELECT ticket_id AS ticket, clock, episode, team, agent_id AS agent, toInt64(round(seconds * 1000000)) AS micros,
       toInt64(round(business_seconds * 1000000)) AS business, policy
FROM clock_shares FINAL WHERE seconds != 0;
