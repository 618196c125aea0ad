-- Each ticket, walked from event to event: how it stood before and after each.
CREATE TABLE walked ENGINE = MergeTree ORDER BY ticket AS
SELECT
    ticket,
    arraySort(e -> e.1, groupArray((seq, kind, at, since, agent, team, status, said, owner))) AS events,
    arrayFold(
        (s, e) -> (
            -- 1 status
            multiIf(
                s.1 = '', 'new',
                e.2 IN ('message', 'voicemail') AND s.1 = 'solved', if(e.8 = '', 'open', s.1),
                e.2 IN ('message', 'voicemail') AND s.1 IN ('pending', 'hold'), if(e.8 = 'machine', s.1, 'open'),
                e.2 = 'assigned' AND s.1 = 'new' AND e.5 != '' AND e.6 = s.6, 'open',
                e.2 = 'replied' AND s.1 IN ('new', 'open'), 'pending',
                e.2 = 'status', e.7,
                s.1),
            -- 2 episode
            toUInt32(s.2 + (s.1 = 'solved' AND ((e.2 IN ('message', 'voicemail') AND e.8 = '')
                                                OR (e.2 = 'status' AND e.7 NOT IN ('solved', 'closed'))))),
            -- 3 agent: whoever gets it, or answers it first; what a customer reopened goes back into the queue
            multiIf(
                e.2 = 'transferred', e.5,
                e.2 IN ('message', 'voicemail') AND s.1 = 'solved' AND e.8 = '', '',
                e.2 = 'assigned' AND s.1 NOT IN ('solved', 'closed') AND e.6 = s.6, e.5,
                e.2 = 'replied' AND s.3 = '' AND s.1 NOT IN ('solved', 'closed'), e.5,
                e.2 = 'status' AND e.7 = 'solved' AND s.3 = '', e.5,
                s.3),
            -- 4 since when the customer waits, 0 while they do not
            multiIf(
                e.2 IN ('message', 'voicemail')
                    AND NOT (s.1 = 'solved' AND e.8 != '') AND NOT (s.1 != '' AND e.8 = 'machine'),
                if(s.4 = 0, e.4, least(s.4, e.4)),
                e.2 = 'replied' OR (e.2 = 'status' AND e.7 IN ('solved', 'closed')), toInt64(0),
                s.4),
            -- 5 first answer, 0 while there is none
            if(e.2 = 'replied' AND s.5 = 0, e.3, s.5),
            -- 6 team
            e.9,
            -- 7 how it stood before each event
            arrayPushBack(s.7, (s.1, s.2, s.3, s.4, s.5))
        ),
        events,
        CAST(('', 1, '', 0, 0, '', []),
             'Tuple(String, UInt32, String, Int64, Int64, String, Array(Tuple(String, UInt32, String, Int64, Int64)))')
    ) AS walk
FROM raw_events
WHERE kind IN ('message', 'voicemail', 'assigned', 'transferred', 'replied', 'status', 'survey', 'note') AND ticket != ''
GROUP BY ticket;

CREATE TABLE stood ENGINE = MergeTree ORDER BY (ticket, n) AS
SELECT
    ticket,
    n,
    events[n].1 AS seq,
    events[1].4 AS created,
    walk.7[n].1 AS status_before, after[n].1 AS status,
    walk.7[n].2 AS episode_before, after[n].2 AS episode,
    walk.7[n].3 AS agent_before, after[n].3 AS agent,
    walk.7[n].4 AS waiting_before, after[n].4 AS waiting,
    walk.7[n].5 AS replied_before, after[n].5 AS replied
FROM
(
    SELECT ticket, events, walk,
           arrayPushBack(arrayPopFront(walk.7), (walk.1, walk.2, walk.3, walk.4, walk.5)) AS after
    FROM walked
)
ARRAY JOIN arrayEnumerate(events) AS n;

-- ... under which policy, the first that fits, and what it was just before.
CREATE TABLE steps ENGINE = MergeTree ORDER BY (ticket, n) AS
SELECT
    *,
    status_before NOT IN ('', 'solved', 'closed') AS open_before,
    status NOT IN ('solved', 'closed') AS is_open,
    (channel, owner, priority, policy) AS place,
    lagInFrame(place, 1, place) OVER (PARTITION BY ticket ORDER BY n ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS place_before,
    leadInFrame(stands_since, 1, {end}) OVER (
        PARTITION BY ticket ORDER BY n ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING) AS until,
    leadInFrame(at, 1, {end}) OVER (PARTITION BY ticket ORDER BY n ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING) AS next_at
FROM
(
    -- what arrives late cannot change how the ticket stood before
    SELECT *, max(if(n = 1, since, at)) OVER (PARTITION BY ticket ORDER BY n) AS stands_since
    FROM stood
    JOIN (SELECT seq, kind, at, since, channel, priority, owner, acknowledged, reasons, thread, agent AS by FROM raw_events) AS raw USING (seq)
    JOIN
    (
        SELECT seq, argMin(policies.policy, place) AS policy
        FROM raw_events CROSS JOIN policies
        WHERE ticket != ''
            AND (empty(channels) OR has(channels, channel))
            AND (empty(priorities) OR has(priorities, priority))
            AND (empty(tiers) OR has(tiers, tier))
        GROUP BY seq
    ) AS matched USING (seq)
);

CREATE TABLE opened ENGINE = MergeTree ORDER BY ticket AS
SELECT ticket, created, policies.calendar AS calendar FROM steps JOIN policies USING (policy) WHERE n = 1;
