-- Everything that happened to a ticket. What the end of a call says of it is `told` where we heard of it when it was taken.
CREATE TABLE happened_to ENGINE = MergeTree ORDER BY (ticket, seq) AS
SELECT
    * REPLACE (if(kind IN ('call', 'spoken') AND thread != '' AND (ticket, thread) IN (
        SELECT ticket, thread FROM raw_events WHERE kind = 'taken'), 'told', said) AS said),
    -- when a person answered the customer, 0 where nobody did
    multiIf(kind = 'spoken', since, kind IN ('replied', 'taken'), at, toInt64(0)) AS answered_at
FROM raw_events
WHERE ticket != '' AND kind IN ('message', 'call', 'voicemail', 'spoken', 'taken', 'ended', 'assigned', 'transferred',
                                'replied', 'status', 'tagged', 'survey', 'note');

-- Each ticket, walked from event to event: how it stood before and after each.
CREATE TABLE walked ENGINE = MergeTree ORDER BY ticket AS
SELECT
    ticket,
    arraySort(e -> e.1, groupArray((seq, kind, at, since, agent, team, status, said, owner, outcome, answered_at, thread, channel))) AS events,
    arrayFold(
        (s, e) -> (
            -- 1 status
            multiIf(
                s.1 = '', 'new',
                e.2 IN ('message', 'call', 'voicemail') AND s.1 = 'solved', if(e.8 = '', 'open', s.1),
                e.2 IN ('message', 'voicemail') AND s.1 IN ('pending', 'hold'), if(e.8 = 'machine', s.1, 'open'),
                e.2 = 'call' AND s.1 IN ('pending', 'hold'), if(e.10 = 'answered', s.1, 'open'),
                e.2 = 'spoken' AND e.8 = '' AND s.1 = 'hold', 'pending',
                e.2 = 'taken' AND s.1 = 'new', 'open',
                e.2 = 'assigned' AND s.1 = 'new' AND e.5 != '' AND e.6 = s.6, 'open',
                e.2 = 'replied' AND s.1 IN ('new', 'open'), 'pending',
                e.2 = 'spoken' AND s.1 IN ('new', 'open') AND s.10 <= e.11, 'pending',  -- whoever changed it since, knew
                e.2 = 'status', e.7,
                s.1),
            -- 2 episode
            toUInt32(s.2 + (s.1 = 'solved' AND ((e.2 IN ('message', 'call', 'voicemail') AND e.8 = '')
                                                OR (e.2 = 'status' AND e.7 NOT IN ('solved', 'closed'))))),
            -- 3 agent: whoever gets it, or answers it first; what a customer reopened goes back into the queue
            multiIf(
                e.2 = 'transferred', e.5,
                e.2 IN ('message', 'call', 'voicemail') AND s.1 = 'solved' AND e.8 = '', '',
                e.2 = 'assigned' AND s.1 NOT IN ('solved', 'closed') AND e.6 = s.6, e.5,
                e.2 IN ('replied', 'spoken', 'taken') AND s.3 = '' AND s.1 NOT IN ('solved', 'closed'), e.5,
                e.2 = 'status' AND e.7 = 'solved' AND s.3 = '', e.5,
                s.3),
            -- 4 since when the customer waits, 0 while they do not
            multiIf(
                e.2 IN ('message', 'call', 'voicemail') AND e.8 != 'told'
                    AND NOT (s.1 = 'solved' AND e.8 != '') AND NOT (s.1 != '' AND e.8 = 'machine'),
                if(s.4 = 0, e.4, least(s.4, e.4)),
                e.11 > 0 OR (e.2 = 'status' AND e.7 IN ('solved', 'closed')), toInt64(0),
                s.4),
            -- 5 first answer, 0 while there is none
            if(e.11 > 0 AND s.5 = 0, e.11, s.5),
            -- 6 team
            e.9,
            -- 7 since when a chat waits for a person, 0 when none does: a line of one that we did not know, or of a reopened one
            multiIf(
                e.2 = 'message' AND e.13 IN ('chat', 'bot') AND s.7 = 0
                    AND (s.1 = '' OR (s.1 = 'solved' AND e.8 = '') OR (s.1 != 'solved' AND e.8 != 'machine' AND NOT has(s.8, e.12))), e.3,
                e.11 > 0 OR (e.2 = 'status' AND e.7 IN ('solved', 'closed')) OR (e.2 = 'ended' AND e.12 = s.8[-1]), toInt64(0),
                s.7),
            -- 8 conversations
            if(e.2 = 'message' AND e.12 != '' AND NOT has(s.8, e.12), arrayPushBack(s.8, e.12), s.8),
            -- 9 how it stood before each event
            arrayPushBack(s.9, (s.1, s.2, s.3, s.4, s.5, s.7, s.11)),
            -- 10 when somebody set its status last
            if(e.2 = 'status', e.3, s.10),
            -- 11 the conversation that goes on, '' when none does
            multiIf(e.2 = 'message' AND e.12 != '' AND NOT has(s.8, e.12), e.12, e.2 = 'ended' AND e.12 = s.8[-1], '', s.11)
        ),
        events,
        CAST(('', 1, '', 0, 0, '', 0, [], [], 0, ''),
             'Tuple(String, UInt32, String, Int64, Int64, String, Int64, Array(String),
                    Array(Tuple(String, UInt32, String, Int64, Int64, Int64, String)), Int64, String)')
    ) AS walk
FROM happened_to
GROUP BY ticket;

CREATE TABLE stood ENGINE = MergeTree ORDER BY (ticket, n) AS
SELECT
    ticket,
    n,
    events[n].1 AS seq,
    events[1].4 AS created,
    walk.9[n].1 AS status_before, after[n].1 AS status,
    walk.9[n].2 AS episode_before, after[n].2 AS episode,
    walk.9[n].3 AS agent_before, after[n].3 AS agent,
    walk.9[n].4 AS waiting_before, after[n].4 AS waiting,
    walk.9[n].5 AS replied_before, after[n].5 AS replied,
    walk.9[n].6 AS rang_before, after[n].6 AS rang,
    walk.9[n].7 AS goes_on
FROM
(
    SELECT ticket, events, walk,
           arrayPushBack(arrayPopFront(walk.9), (walk.1, walk.2, walk.3, walk.4, walk.5, walk.7, walk.11)) AS after
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
    -- ... before it happened; that somebody spoke, and what was said, we hear of at once
    lagInFrame(place, 1, place) OVER before AS place_last, lagInFrame(place, 2, place) OVER before AS place_last_but_one,
    if(kind = 'spoken' AND n > 2, place_last_but_one, place_last) AS place_before,
    leadInFrame(at, 1, {end}) OVER (PARTITION BY ticket ORDER BY n ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING) AS next_at
FROM
(
    SELECT *, max(if(n = 1, since, at)) OVER (PARTITION BY ticket ORDER BY n) AS stands_since
    FROM stood
    JOIN (SELECT seq, kind, at, since, channel, priority, owner, acknowledged, reasons, removed, thread, said, outcome, customer, event,
                 answered_at, agent AS by FROM happened_to) AS raw USING (seq)
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
)
WINDOW before AS (PARTITION BY ticket ORDER BY n ROWS BETWEEN 2 PRECEDING AND CURRENT ROW);

CREATE TABLE opened ENGINE = MergeTree ORDER BY ticket AS
SELECT ticket, created, policies.calendar AS calendar FROM steps JOIN policies USING (policy) WHERE n = 1;

-- How each ticket stood since when, and in whose hands: a row for each change. Who takes a call has its ticket from when
-- they speak, though we hear of it when they hang up. What arrives late cannot change how the ticket stood before.
CREATE TABLE stations ENGINE = MergeTree ORDER BY (ticket, n, part) AS
SELECT
    *, status NOT IN ('solved', 'closed') AS is_open,
    lagInFrame(status, 1, '') OVER before AS status_before,
    n > 1 AND (agent != lagInFrame(agent, 1, agent) OVER before OR team != lagInFrame(team, 1, team) OVER before) AS changed_hands,
    leadInFrame(stands_since, 1, {end}) OVER (
        PARTITION BY ticket ORDER BY n, part ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING) AS until
FROM
(
    SELECT ticket, n, part, episode, team, agent, status, max(at) OVER (PARTITION BY ticket ORDER BY n, part) AS stands_since
    FROM
    (
        SELECT *, lagInFrame((team, agent, status), 1, ('', '', '')) OVER (
            PARTITION BY ticket ORDER BY n, part ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS stood
        FROM
        (
            SELECT ticket, n, toUInt8(1) AS part, episode, owner AS team, agent, status, if(n = 1, since, at) AS at FROM steps
            UNION ALL
            SELECT ticket, n, toUInt8(0), episode_before, owner, agent, status_before, since FROM steps WHERE kind = 'spoken'
        )
    )
    WHERE stood != (team, agent, status)
)
WINDOW before AS (PARTITION BY ticket ORDER BY n, part ROWS BETWEEN 1 PRECEDING AND CURRENT ROW);

-- Contacts by SMS that opened or reopened something after the customer had said what they want, and what that was last.
CREATE VIEW wished AS
SELECT steps.seq AS seq, steps.acknowledged AS acknowledged, argMax(wishes.outcome, wishes.seq) AS wish
FROM steps JOIN (SELECT customer, seq, outcome FROM raw_events WHERE kind = 'wish') AS wishes USING (customer)
WHERE steps.channel = 'sms' AND steps.acknowledged != '' AND wishes.seq < steps.seq
GROUP BY steps.seq, steps.acknowledged;
