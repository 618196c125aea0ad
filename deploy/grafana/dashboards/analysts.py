"""Declares the dashboard of analysts, from ClickHouse: why customers write, the cost, and the outcome."""

from deploy.grafana.panels import Bars, Board, Lines, Number, Row, Sql, Stacked, Table

BOARD = Board(
    uid="deskstream-analysts",
    title="Deskstream: reasons and results",
    why="Contacts, reasons, promises and scores from ClickHouse; each query can be taken into a notebook as it is.",
    source="clickhouse",
    since="now-7d",
    rows=(
        Row(
            "The desk",
            (
                Number(
                    "Tickets",
                    "Opened in the chosen time, and how many of them nobody has solved yet.",
                    (
                        Sql(
                            "SELECT count() AS opened, countIf(unsolved) AS unsolved, countIf(unanswered) AS unanswered\n"
                            "FROM tickets_current WHERE $__timeFilter(created_at)"
                        ),
                    ),
                    width=6,
                ),
                Stacked(
                    "Contacts, by channel",
                    "Everything that customers sent, follow-ups included.",
                    (
                        Sql(
                            "SELECT $__timeInterval(at) AS time, channel, count() AS contacts\n"
                            "FROM contacts FINAL\n"
                            "WHERE direction = 'in' AND $__timeFilter(at)\n"
                            "GROUP BY time, channel ORDER BY time",
                            series=True,
                        ),
                    ),
                    width=9,
                ),
                Stacked(
                    "Tickets opened, by language",
                    "In which languages people are needed.",
                    (
                        Sql(
                            "SELECT $__timeInterval(created_at) AS time, language, count() AS tickets\n"
                            "FROM tickets FINAL\n"
                            "WHERE $__timeFilter(created_at)\n"
                            "GROUP BY time, language ORDER BY time",
                            series=True,
                        ),
                    ),
                    width=9,
                ),
                Stacked(
                    "Tickets opened, by brand",
                    "Under which of several names customers write; one line where none is configured.",
                    (
                        Sql(
                            "SELECT $__timeInterval(created_at) AS time, if(brand = '', 'no brand', brand) AS name, count() AS tickets\n"
                            "FROM tickets FINAL\n"
                            "WHERE $__timeFilter(created_at)\n"
                            "GROUP BY time, name ORDER BY time",
                            series=True,
                        ),
                    ),
                    width=24,
                ),
            ),
        ),
        Row(
            "Why they write",
            (
                Table(
                    "Reasons, most frequent first",
                    "With the quadrant of the value-irritant matrix: eliminate and automate first.",
                    (
                        Sql(
                            "SELECT tag, quadrant, owner_team, tickets, round(100 * share_of_tickets, 1) AS percent_of_tickets,\n"
                            "    dissatisfied_tickets, round(csat_average, 2) AS csat, round(first_response_seconds_average / 60)"
                            " AS first_response_minutes\n"
                            "FROM tag_ranking ORDER BY tickets DESC LIMIT 25"
                        ),
                    ),
                    width=14,
                ),
                Bars(
                    "Tickets, by quadrant",
                    "What could be taken away (eliminate), given to self-service (automate), made easier (simplify).",
                    (
                        Sql(
                            "SELECT quadrant, uniqExact(ticket_id) AS tickets FROM tags FINAL\n"
                            "WHERE active AND $__timeFilter(at) GROUP BY quadrant ORDER BY tickets DESC"
                        ),
                    ),
                    width=10,
                ),
            ),
        ),
        Row(
            "What it costs: the value-irritant matrix",
            (
                Table(
                    "Reasons by cost",
                    "Handled hours times DESKSTREAM_COST_PER_HANDLED_HOUR. Eliminate and automate take cost away; simplify makes"
                    " customers happier; leverage is worth its cost. A ticket with several tags counts for each in part.",
                    (
                        Sql(
                            "SELECT quadrant, tag, sum(tickets) AS all_tickets, round(sum(handle_seconds) / 3600, 1) AS hours,\n"
                            "    round(sum(cost)) AS all_cost, round(sum(cost) / sum(tickets), 2) AS cost_per_ticket,\n"
                            "    round(sum(ifNull(csat_average, 0) * csat_answers) / nullIf(sum(csat_answers), 0), 2) AS csat,\n"
                            "    round(100 * sum(repeat_contacts) / sum(tickets), 1) AS percent_again\n"
                            "FROM value_irritant_matrix WHERE $__timeFilter(week)\n"
                            "GROUP BY quadrant, tag ORDER BY all_cost DESC, all_tickets DESC LIMIT 40"
                        ),
                    ),
                    width=16,
                ),
                Bars(
                    "Cost, by quadrant",
                    "What could be taken away (eliminate), given to self-service (automate), made easier (simplify).",
                    (
                        Sql(
                            "SELECT quadrant, round(sum(cost)) AS all_cost FROM value_irritant_matrix\n"
                            "WHERE $__timeFilter(week) GROUP BY quadrant ORDER BY all_cost DESC"
                        ),
                    ),
                    width=8,
                ),
            ),
        ),
        Row(
            "Promises and waiting",
            (
                Table(
                    "SLA clocks, by policy",
                    "From the ledger: a breach that a late answer took back is none. Kept is of those that were met or breached:"
                    " what still runs, or was cancelled in time, is neither.",
                    (
                        Sql(
                            "SELECT clock, policy, countIf(state = 'met') AS met, countIf(is_breached) AS breached,\n"
                            "    round(100 * met / nullIf(met + breached, 0), 1) AS percent_kept,\n"
                            "    round(quantileExactOrNullIf(0.9)(elapsed_seconds, is_fulfilled) / 60) AS p90_minutes\n"
                            "FROM sla_status WHERE $__timeFilter(activated_at)\n"
                            "GROUP BY clock, policy ORDER BY percent_kept"
                        ),
                    ),
                    width=12,
                ),
                Lines(
                    "First response, average and longest",
                    "By the hour in which a person first answered. The average hides people: the longest does not.",
                    (
                        Sql(
                            "SELECT window_start AS time,\n"
                            "    sum(first_response_seconds_sum) / sum(first_responses) AS average,\n"
                            "    max(first_response_seconds_longest) AS longest\n"
                            "FROM windows_1h WHERE $__timeFilter(window_start) AND first_responses > 0\n"
                            "GROUP BY time ORDER BY time",
                            series=True,
                        ),
                    ),
                    unit="s",
                    width=12,
                ),
                Table(
                    "How fast customers hear from us",
                    "Acknowledgement, by channel: the promise is seconds.",
                    (Sql("SELECT * FROM acknowledgement_times"),),
                    width=12,
                ),
                Table(
                    "Waiting longest",
                    "Open tickets whose customer has waited longest for a person.",
                    (
                        Sql(
                            "SELECT ticket_id, channel, priority, team, assignee_id, waiting_since, tags\n"
                            "FROM tickets_current WHERE unsolved AND waiting_since IS NOT NULL AND NOT imported\n"
                            "ORDER BY waiting_since LIMIT 20"
                        ),
                    ),
                    width=12,
                ),
            ),
        ),
        Row(
            "Results",
            (
                Table(
                    "CSAT, by channel",
                    "Mean, distribution and share of 1 and 2.",
                    (Sql("SELECT * FROM csat_by_channel"),),
                    width=14,
                ),
                Lines(
                    "CSAT against response time, by the hour",
                    "An alarming pair: read them together.",
                    (
                        Sql(
                            "SELECT window_start AS time, sum(csat_sum) / nullIf(sum(csat_answers), 0) AS csat,\n"
                            "    sum(first_response_seconds_sum) / nullIf(sum(first_responses), 0) / 3600 AS first_response_hours\n"
                            "FROM windows_1h WHERE $__timeFilter(window_start)\n"
                            "GROUP BY time ORDER BY time",
                            series=True,
                        ),
                    ),
                    width=10,
                ),
                Table(
                    "Agents",
                    "Tickets handed to them, answered, solved and held now; a score counts for who solved, however late it comes."
                    " Read it with what kind of tickets they get.",
                    (
                        Sql(
                            "SELECT done.agent_id AS agent_id, assigned, answers, solved, open_now,\n"
                            "    scores, csat, csat_worst, csat_low\n"
                            "FROM (SELECT agent_id, sum(w.assigned) AS assigned, sum(w.answers) AS answers, sum(w.solved) AS solved,\n"
                            "        any(w.open_now) AS open_now\n"
                            "    FROM agent_workload AS w WHERE $__timeFilter(day) GROUP BY agent_id) AS done\n"
                            "LEFT JOIN (SELECT agent_id, count(s.csat) AS scores, round(avgOrNull(s.csat), 2) AS csat,\n"
                            "        minOrNull(s.csat) AS csat_worst, countIf(s.csat <= 2) AS csat_low\n"
                            "    FROM surveys_last AS s WHERE $__timeFilter(last_at) AND NOT imported GROUP BY agent_id) AS scored\n"
                            "    ON scored.agent_id = done.agent_id\n"
                            "ORDER BY solved DESC LIMIT 50"
                        ),
                    ),
                    width=12,
                ),
                Table(
                    "Occupancy, by agent",
                    "Of the time that they were online, the share with a contact in hand; with the busiest hour. Near 100 % burns out.",
                    (
                        Sql(
                            "SELECT agent_id, round(sum(available_seconds) / 3600, 1) AS available_hours,\n"
                            "    round(sum(handling_seconds) / 3600, 1) AS handling_hours,\n"
                            "    round(100 * sum(handling_seconds) / nullIf(sum(available_seconds), 0)) AS percent,\n"
                            "    round(100 * max(occupancy)) AS busiest_hour\n"
                            "FROM agent_occupancy_1h WHERE $__timeFilter(window_start)\n"
                            "GROUP BY agent_id ORDER BY percent DESC LIMIT 50"
                        ),
                    ),
                    width=12,
                ),
                Lines(
                    "Contacts per 100 orders, by the day and brand",
                    "The contact rate: growth of the shop taken out. An order that names no brand is the default one's.",
                    (
                        Sql(
                            "SELECT toDateTime(day, 'UTC') AS time, if(brand = '', 'all', brand) AS name, contacts_per_100_orders\n"
                            "FROM contact_rate WHERE $__timeFilter(day) ORDER BY time",
                            series=True,
                        ),
                    ),
                    width=24,
                ),
            ),
        ),
    ),
)
