"""The views of analysts over a handful of facts, against figures computed by hand."""

import collections
import itertools
import math
import random

import msgspec
import pytest

from schemas import codec, facts
from schemas.clock import MICROS
from sinks.clickhouse.avro_file import shapes
from sinks.clickhouse.inserter import SETTINGS
from stream_processors.tickets.windows.quantile_sketch import bucket_of, quantile
from tests.sinks.conftest import NOW, example

pytestmark = pytest.mark.stack
HOUR = 3600 * MICROS
MIDNIGHT = 1_772_409_600 * MICROS  # Monday 2026-03-02T00:00:00Z
TICKET = "ABCDEFGHIJKL-1"


@pytest.fixture
def insert(clickhouse):
    def put(*records):
        kinds = {}
        for record in records:
            kinds.setdefault(codec.header(type(record)), []).append(codec.encode(record))
        for header, values in kinds.items():
            shape = shapes()[header]
            clickhouse.raw_insert(shape.table.name, shape.columns, shape.file(values), settings=SETTINGS, fmt="Avro")

    return put


@pytest.fixture
def ask(clickhouse):
    def rows(sql):
        answer = clickhouse.query(sql)
        return [dict(zip(answer.column_names, row, strict=True)) for row in answer.result_rows]

    return rows


def pane(version, start, *, partition=0, part=0, channel="email", **counts):
    where = {"team": "support", "priority": "normal", "policy": "email"}
    return facts.PaneFact(
        customer_tag="ABCDEFGHIJKL",
        version=version,
        partition=partition,
        at=start,
        part=part,
        start=start,
        channel=channel,
        **where,
        **counts,
    )


def test_windows_are_sums_over_panes_partitions_and_parts_of_the_highest_versions(insert, ask):
    insert(
        pane(
            1,
            MIDNIGHT,
            contacts_received=5,
            first_responses=1,
            first_response_seconds_sum=10.0,
            first_response_seconds_max=10.0,
        ),
        pane(
            2,
            MIDNIGHT,
            contacts_received=6,
            first_responses=2,
            first_response_seconds_sum=40.0,
            first_response_seconds_max=30.0,
        ),
        pane(3, MIDNIGHT, part=3, contacts_received=1),  # late data after the state was dropped
        pane(1, MIDNIGHT, partition=1, contacts_received=10, csat_answers=4, csat_sum=14, csat_low=1, orders_placed=50),
        pane(4, MIDNIGHT + HOUR // 12, contacts_received=100),
        pane(5, MIDNIGHT + 23 * HOUR, contacts_received=1000),
        pane(6, MIDNIGHT + 24 * HOUR, contacts_received=10_000),
        pane(7, MIDNIGHT, channel="chat", contacts_received=7),
    )
    five = ask("SELECT * FROM windows_5m WHERE channel = 'email' ORDER BY window_start")
    assert [row["contacts_received"] for row in five] == [17, 100, 1000, 10_000]
    first = five[0]
    assert first["first_response_seconds_average"] == 20.0
    assert first["first_response_seconds_longest"] == 30.0
    assert (first["csat_average"], first["csat_low_share"], first["contacts_per_100_orders"]) == (3.5, 0.25, 34.0)
    assert first["ces_average"] is None
    assert five[1]["first_response_seconds_longest"] is None
    assert [
        r["contacts_received"] for r in ask("SELECT * FROM windows_1h WHERE channel = 'email' ORDER BY window_start")
    ] == [117, 1000, 10_000]
    assert [
        r["contacts_received"] for r in ask("SELECT * FROM windows_24h WHERE channel = 'email' ORDER BY window_start")
    ] == [1117, 10_000]
    week = ask("SELECT * FROM windows_7d WHERE channel = 'email'")
    assert [r["contacts_received"] for r in week] == [11_117]
    assert str(week[0]["window_start"]) == "2026-02-26 00:00:00+00:00"
    for name in ("windows_5m", "windows_1h", "windows_24h", "windows_7d"):
        assert ask(f"SELECT sum(contacts_received) AS n FROM {name}") == [{"n": 11_124}]


def test_contacts_of_a_team_are_seen_against_all_orders_of_the_window_which_have_no_team(insert, ask):
    insert(
        pane(1, MIDNIGHT, contacts_received=6),
        pane(2, MIDNIGHT, channel="chat", contacts_received=4),
        pane(3, MIDNIGHT + HOUR // 2, channel="", orders_placed=40),
        pane(4, MIDNIGHT + HOUR, contacts_received=5),  # an hour without orders
    )
    rate = "SELECT channel, contacts_per_100_orders AS rate FROM windows_1h WHERE {} ORDER BY channel"
    assert ask(rate.format("window_start = '2026-03-02 00:00:00'")) == [
        {"channel": "", "rate": 0.0},
        {"channel": "chat", "rate": 10.0},
        {"channel": "email", "rate": 15.0},
    ]
    assert ask(rate.format("window_start = '2026-03-02 01:00:00'")) == [{"channel": "email", "rate": None}]
    assert ask("SELECT contacts_per_100_orders AS rate FROM windows_24h WHERE channel = 'email'") == [{"rate": 27.5}]


def test_the_response_rate_of_a_window_is_of_who_was_invited(insert, ask):
    insert(
        pane(1, MIDNIGHT, surveys_sent=4, surveys_answered=3, surveys_answered_invited=1),
        pane(2, MIDNIGHT, channel="chat", surveys_answered=2),  # in the chat's window
    )
    assert ask("SELECT channel, survey_response_rate AS rate FROM windows_5m ORDER BY channel") == [
        {"channel": "chat", "rate": None},
        {"channel": "email", "rate": 0.25},
    ]


def durations(version, measure, *seconds, start=MIDNIGHT, part=0, partition=0):
    """The facts that panes write for these durations: the count of each bucket."""
    counts = collections.Counter(map(bucket_of, seconds))
    for bucket, count in counts.items():
        yield facts.PaneBucketFact(
            customer_tag="ABCDEFGHIJKL", version=version, partition=partition, at=start, part=part, start=start,
            measure=measure, bucket=bucket, count=count, channel="email", team="support", priority="normal", policy="email",
        )  # fmt: skip


def test_quantiles_of_merged_sketches_are_within_one_percent_of_the_real_ones(insert, ask):
    draw = random.Random(7)
    drawn = [[draw.lognormvariate(7, 2) for _ in range(300)] for _ in range(3)]
    insert(
        *durations(1, "first_response", *drawn[0][:10]),
        *durations(2, "first_response", *drawn[0]),
        *durations(3, "first_response", *drawn[1], part=3),
        *durations(4, "first_response", *drawn[2], partition=1, start=MIDNIGHT + HOUR // 12),
        *durations(5, "answer", 0.0, 0.001),
    )
    five = ask("SELECT * FROM quantiles_5m WHERE measure = 'first_response' ORDER BY window_start")
    assert [row["measured"] for row in five] == [600, 300]
    for rows, real in (
        (five[0], sorted(drawn[0] + drawn[1])),
        (ask("SELECT * FROM quantiles_24h WHERE measure = 'first_response'")[0], sorted(itertools.chain(*drawn))),
    ):
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
            exact = real[math.floor(share * (len(real) - 1))]
            assert abs(rows[name] - exact) <= 0.01001 * exact
            assert rows[name] == pytest.approx(quantile(rows["sketch"], share))
    (answers,) = ask("SELECT measured, p50, p99 FROM quantiles_7d WHERE measure = 'answer'")
    assert answers == {"measured": 2, "p50": 0.0, "p99": 0.0}


def test_a_measurement_that_another_part_takes_back_is_in_no_quantile(insert, ask):
    [taken_back] = durations(3, "first_response", 4200.0, part=3)
    insert(
        *durations(1, "first_response", 4200.0),
        *durations(2, "next_response", 600.0, 4200.0),
        msgspec.structs.replace(taken_back, count=-1),
        msgspec.structs.replace(taken_back, count=-1, measure="next_response"),
    )
    [left] = ask("SELECT measure, measured, p50, p99 FROM quantiles_5m")
    assert (left["measure"], left["measured"]) == ("next_response", 1)
    assert left["p50"] == left["p99"] == pytest.approx(600.0, rel=0.01)


def test_the_backlog_is_the_running_sum_of_what_came_and_went_and_late_data_corrects_it(insert, ask):
    created = MIDNIGHT // MICROS
    insert(
        pane(1, MIDNIGHT, backlog_change=3, backlog_created_change=3 * created),
        pane(2, MIDNIGHT + HOUR, backlog_change=-1, backlog_created_change=-created),
        pane(3, MIDNIGHT + HOUR, partition=1, backlog_change=1, backlog_created_change=created + 3600),
        pane(4, MIDNIGHT + 3 * HOUR, backlog_change=-2, backlog_created_change=-2 * created),
    )
    sql = "SELECT backlog, age_seconds_average FROM backlog_1h ORDER BY window_start"
    # 3 of an hour; then 2 of two hours and 1 of one: 5 / 3 hours; then that one, three hours old
    assert ask(sql) == [
        {"backlog": 3, "age_seconds_average": 3600.0},
        {"backlog": 3, "age_seconds_average": 6000.0},
        {"backlog": 1, "age_seconds_average": 10_800.0},
    ]
    insert(pane(5, MIDNIGHT, part=5, backlog_change=1, backlog_created_change=created))
    assert [row["backlog"] for row in ask(sql)] == [4, 4, 2]
    (last,) = ask(f"SELECT backlog FROM backlog_1h WHERE window_start >= fromUnixTimestamp({created + 3 * 3600})")
    assert last == {"backlog": 2}, "a filter does not begin the sum anew"


def test_a_part_that_corrects_another_is_negative(insert, ask):
    insert(
        pane(1, MIDNIGHT, clocks_breached=2, csat_answers=2, csat_sum=6, csat_low=1, csat_1=1, csat_5=1, fcr_kept=1),
        pane(
            2, MIDNIGHT, part=2, clocks_breached=-1, csat_answers=-1, csat_sum=-1, csat_low=-1, csat_1=-1, fcr_kept=-1
        ),
    )
    (row,) = ask("SELECT clocks_breached, csat_answers, csat_average, csat_low, csat_worst, fcr_kept FROM windows_1h")
    assert row == {
        "clocks_breached": 1, "csat_answers": 1, "csat_average": 5.0, "csat_low": 0, "csat_worst": 5, "fcr_kept": 0,
    }  # fmt: skip


def test_a_part_takes_back_a_response_that_an_earlier_one_restates(insert, ask):
    late, early = MIDNIGHT + HOUR, MIDNIGHT  # measured at 01:00; as we hear after its pane was forgotten, it was 00:00
    insert(
        pane(1, late, first_responses=1, first_response_seconds_sum=4200.0, first_response_seconds_max=4200.0,
             next_responses=1, next_response_seconds_sum=60.0, first_responses_within_target=1),
        pane(9, late, part=9, first_responses=-1, first_response_seconds_sum=-4200.0,
             next_responses=-1, next_response_seconds_sum=-60.0, first_responses_within_target=-1),
        pane(9, early, part=9, first_responses=1, first_response_seconds_sum=600.0, first_response_seconds_max=600.0),
    )  # fmt: skip
    columns = "first_responses, first_response_seconds_average, first_response_seconds_longest, next_responses"
    rows = [tuple(row.values()) for row in ask(f"SELECT {columns} FROM windows_1h ORDER BY window_start")]
    assert rows == [(1, 600.0, 600.0, 0), (0, None, None, 0)]


def clock(version, sequence, transition, at, **fields):
    values = {
        "customer_tag": "ABCDEFGHIJKL",
        "version": version,
        "partition": 0,
        "at": at,
        "ticket_id": TICKET,
        "episode": 1,
        "clock": "first_response",
        "instance": 1,
        "transition": transition,
        "sequence": sequence,
        "detected_at": at + MICROS,
        "policy": "email",
        "target_seconds": 3600.0,
        "due_at": MIDNIGHT + HOUR,
        "priority": "normal",
        "channel": "email",
    }
    return facts.ClockFact(**(values | fields))


def test_a_clock_that_was_met_in_time(insert, ask):
    insert(
        clock(1, 1, "activate", MIDNIGHT),
        clock(2, 2, "fulfil", MIDNIGHT + HOUR // 2, elapsed_seconds=1800.0),
    )
    (row,) = ask("SELECT * FROM sla_status")
    assert (row["state"], row["is_breached"], row["elapsed_seconds"], row["target_seconds"]) == (
        "met",
        False,
        1800.0,
        3600.0,
    )
    assert row["breached_at"] is None
    (same,) = ask("SELECT * FROM sla_policies")
    assert (same["metric"], same["target"], same["sla_elapsed_time"]) == ("first_response", 60.0, 30.0)
    assert (same["is_active_sla"], same["is_sla_breach"]) == (False, False)


def test_a_breach_is_stamped_with_the_deadline_and_stays_when_the_answer_comes_late(insert, ask):
    insert(clock(1, 1, "activate", MIDNIGHT), clock(2, 2, "breach", MIDNIGHT + HOUR, detected_at=MIDNIGHT + HOUR + 5))
    (row,) = ask(
        "SELECT state, toUnixTimestamp64Micro(breached_at) AS at, toUnixTimestamp64Micro(breach_detected_at) AS seen FROM sla_status"
    )
    assert row == {"state": "breached", "at": MIDNIGHT + HOUR, "seen": MIDNIGHT + HOUR + 5}
    assert ask("SELECT is_active_sla, is_sla_breach FROM sla_policies") == [
        {"is_active_sla": True, "is_sla_breach": True}
    ]
    insert(clock(3, 3, "fulfil", MIDNIGHT + 2 * HOUR, elapsed_seconds=7200.0))
    assert [row["state"] for row in ask("SELECT state FROM sla_status")] == ["breached_then_met"]


def test_an_earlier_answer_that_arrives_late_takes_the_breach_back(insert, ask):
    insert(
        clock(1, 1, "activate", MIDNIGHT),
        clock(2, 2, "breach", MIDNIGHT + HOUR, elapsed_seconds=3600.0),
        clock(3, 3, "correct", MIDNIGHT + HOUR - 1, elapsed_seconds=3599.999999),
        clock(3, 4, "fulfil", MIDNIGHT + HOUR - 1, elapsed_seconds=3599.999999),
    )
    (row,) = ask("SELECT state, is_breached, is_corrected, breached_at, elapsed_seconds FROM sla_status")
    assert row == {
        "state": "met", "is_breached": False, "is_corrected": True, "breached_at": None, "elapsed_seconds": 3599.999999,
    }  # fmt: skip
    assert ask("SELECT is_active_sla, is_sla_breach FROM sla_policies") == [
        {"is_active_sla": False, "is_sla_breach": False}
    ]


def test_an_earlier_answer_that_is_late_itself_is_still_a_breach(insert, ask):
    insert(
        clock(1, 1, "activate", MIDNIGHT),
        clock(2, 2, "breach", MIDNIGHT + HOUR, elapsed_seconds=3600.0),
        clock(3, 3, "fulfil", MIDNIGHT + 3 * HOUR, elapsed_seconds=10_800.0),
        clock(4, 4, "correct", MIDNIGHT + HOUR, elapsed_seconds=3600.0),
        clock(4, 5, "fulfil", MIDNIGHT + HOUR, elapsed_seconds=3600.0),
    )
    (row,) = ask("SELECT state, is_corrected, elapsed_seconds FROM sla_status")
    assert row == {"state": "breached_then_met", "is_corrected": True, "elapsed_seconds": 3600.0}, (
        "at the deadline is late"
    )


def test_a_clock_that_should_have_started_earlier_is_due_earlier_and_not_met(insert, ask):
    insert(
        clock(1, 1, "activate", MIDNIGHT),
        clock(2, 2, "correct", MIDNIGHT - HOUR, elapsed_seconds=0.0, due_at=MIDNIGHT),
    )
    (row,) = ask("SELECT state, is_running, activated_at, due_at FROM sla_status")
    assert (row["state"], row["is_running"]) == ("active", True)
    assert (str(row["activated_at"]), str(row["due_at"])) == ("2026-03-01 23:00:00+00:00", "2026-03-02 00:00:00+00:00")
    insert(clock(3, 3, "breach", MIDNIGHT, elapsed_seconds=3600.0, due_at=MIDNIGHT))
    assert ask("SELECT state FROM sla_status") == [{"state": "breached"}]


@pytest.mark.parametrize(("transition", "state"), [("cancel", "cancelled"), ("pause", "paused"), ("resume", "active")])
def test_a_clock_that_is_neither_met_nor_breached(insert, ask, transition, state):
    insert(clock(1, 1, "activate", MIDNIGHT), clock(2, 2, transition, MIDNIGHT + 1))
    assert ask("SELECT state, elapsed_seconds, fulfilled_at FROM sla_status") == [
        {"state": state, "elapsed_seconds": None, "fulfilled_at": None}
    ]


def test_a_clock_that_was_paused_beyond_its_last_deadline_is_not_breached(insert, ask):
    insert(
        clock(1, 1, "activate", MIDNIGHT),
        clock(2, 2, "pause", MIDNIGHT + HOUR // 2, elapsed_seconds=1800.0, due_at=None),
        clock(3, 3, "fulfil", MIDNIGHT + 9 * HOUR, elapsed_seconds=1800.0, due_at=None),
    )
    assert ask("SELECT state, is_breached, pauses, elapsed_seconds FROM sla_status") == [
        {"state": "met", "is_breached": False, "pauses": 1, "elapsed_seconds": 1800.0}
    ]
    assert ask("SELECT is_sla_breach, sla_elapsed_time FROM sla_policies") == [
        {"is_sla_breach": False, "sla_elapsed_time": 30.0}
    ]


def test_a_running_clock_shows_the_highest_warning_and_a_cancelled_one_why(insert, ask):
    insert(
        clock(1, 1, "activate", MIDNIGHT),
        clock(2, 2, "at_risk", MIDNIGHT + HOUR // 2, threshold=50),
        clock(3, 3, "at_risk", MIDNIGHT + 3 * HOUR // 4, threshold=75),
    )
    assert ask("SELECT state, risk, is_running FROM sla_status") == [
        {"state": "active", "risk": 75, "is_running": True}
    ]
    insert(clock(4, 4, "cancel", MIDNIGHT + 3 * HOUR // 4 + 1, reason="abandoned"))
    assert ask("SELECT state, cancelled_because FROM sla_status") == [
        {"state": "cancelled", "cancelled_because": "abandoned"}
    ]


def test_targets_in_working_time_are_compared_in_working_minutes(insert, ask):
    insert(
        clock(1, 1, "activate", MIDNIGHT, calendar="office"),
        clock(2, 2, "fulfil", MIDNIGHT + 10 * HOUR, calendar="office", elapsed_seconds=36_000.0, elapsed_business_seconds=3000.0,
              due_at=MIDNIGHT + 11 * HOUR),
    )  # fmt: skip
    assert ask("SELECT in_business_hours, sla_elapsed_time, is_sla_breach FROM sla_policies") == [
        {"in_business_hours": True, "sla_elapsed_time": 50.0, "is_sla_breach": False}
    ]


def test_tags_are_ranked_by_tickets_and_corrected_ones_do_not_count(insert, ask):
    def ticket(number, **fields):
        return example(facts.TicketFact, number, ticket_id=f"ABCDEFGHIJKL-{number}", created_at=NOW, **fields)

    def tag(number, name, version=1, **fields):
        return example(
            facts.TagFact,
            version,
            ticket_id=f"ABCDEFGHIJKL-{number}",
            tag=name,
            quadrant="eliminate",
            origin="taxonomy",
            **fields,
        )

    insert(
        ticket(1, dissatisfied=True, csat=1, status="open"),
        ticket(2, dissatisfied=False, csat=4, status="solved"),
        ticket(3, dissatisfied=False, csat=None, status="solved"),
        tag(1, "payment.card_declined"),
        tag(2, "payment.card_declined"),
        tag(1, "delivery.carrier_delay"),
        tag(3, "account.locked"),
        tag(3, "account.locked", version=2, active=False),
    )
    ranked = ask(
        "SELECT tag, tickets, share_of_tickets, dissatisfied_tickets, unsolved_tickets, csat_average, csat_worst, csat_1, csat_4 FROM tag_ranking"
    )
    assert [row["tag"] for row in ranked] == ["payment.card_declined", "delivery.carrier_delay"]
    assert ranked[0] == {
        "tag": "payment.card_declined", "tickets": 2, "share_of_tickets": 2 / 3, "dissatisfied_tickets": 1,
        "unsolved_tickets": 1, "csat_average": 2.5, "csat_worst": 1, "csat_1": 1, "csat_4": 1,
    }  # fmt: skip


def test_csat_counts_the_last_answer_to_each_survey(insert, ask):
    def answer(survey, number, csat, ces=None, channel="email"):
        return example(
            facts.SurveyFact,
            number,
            survey_id=survey,
            ticket_id=f"ABCDEFGHIJKL-{survey[1]}",
            episode=1,
            answer=number,
            csat=csat,
            ces=ces,
            channel=channel,
            comment="",
            scanner=False,
        )

    insert(
        answer("s1", 1, 1),
        answer("s1", 2, 5),
        answer("s2", 1, 2, 6),
        answer("s3", 1, None, 3),
        answer("s4", 1, 4, channel="chat"),
    )
    chat, email = ask("SELECT * FROM csat_by_channel")
    assert (chat["csat_answers"], chat["csat_average"]) == (1, 4.0)
    assert (email["surveys_answered"], email["csat_answers"], email["csat_average"], email["csat_worst"]) == (
        3,
        2,
        3.5,
        2,
    )
    assert [email[f"csat_{score}"] for score in range(1, 6)] == [0, 1, 0, 0, 1]
    assert (email["csat_low_share"], email["ces_answers"], email["ces_average"]) == (0.5, 2, 4.5)


def test_ticket_metrics_are_minutes_and_undefined_where_nothing_happened_yet(insert, ask):
    blank = {"first_response_seconds": None, "first_resolution_seconds": None, "full_resolution_seconds": None}
    insert(
        example(facts.TicketFact, 1, ticket_id=TICKET, created_at=NOW, status="solved", public_replies=1, customer_messages=2,
                internal_notes=3, first_response_seconds=90.0, first_resolution_seconds=120.0, full_resolution_seconds=600.0),
        example(facts.TicketFact, 2, ticket_id="ABCDEFGHIJKL-2", created_at=NOW, status="open", public_replies=0, **blank),
    )  # fmt: skip
    one, two = ask("SELECT * FROM ticket_metrics ORDER BY ticket_id")
    assert one["first_reply_time_calendar_minutes"] == 1.5
    assert one["first_resolution_calendar_minutes"] == 2.0
    assert one["final_resolution_calendar_minutes"] == 10.0
    assert (one["is_one_touch_resolution"], one["total_comments"], one["count_public_comments"]) == (True, 6, 3)
    assert two["first_reply_time_calendar_minutes"] is None
    assert not two["is_one_touch_resolution"]


def test_from_the_first_assignment_to_the_last_solve_and_undefined_while_it_is_open(insert, ask):
    times = {"first_assigned_at": NOW + 2 * HOUR, "first_solved_at": NOW + HOUR, "last_solved_at": NOW + 5 * HOUR}
    insert(
        example(facts.TicketFact, 1, ticket_id=TICKET, status="solved", **times),  # assigned after it was reopened
        example(facts.TicketFact, 2, ticket_id="ABCDEFGHIJKL-2", status="open", **times),
    )
    column = "first_assignment_to_resolution_calendar_minutes"
    assert ask(f"SELECT {column} AS minutes FROM ticket_metrics ORDER BY ticket_id") == [
        {"minutes": 180.0},
        {"minutes": None},
    ]


def test_waits_and_work_are_columns_of_the_metrics_and_null_where_nothing_is_known(insert, ask):
    known = {
        "first_response_business_seconds": 60.0,
        "requester_wait_seconds": 600.0,
        "requester_wait_business_seconds": 300.0,
        "agent_wait_seconds": 120.0,
        "agent_wait_business_seconds": 0.0,
        "next_response_sum_seconds": 30.0,
    }
    ticket = {"created_at": NOW, "first_response_seconds": 90.0}
    insert(
        example(facts.TicketFact, 1, ticket_id=TICKET, **ticket),
        example(facts.TicketFact, 1, ticket_id="ABCDEFGHIJKL-2", **ticket),
        example(facts.TicketClocks, 1, ticket_id=TICKET, created_at=NOW, **(known | {"requester_wait_seconds": 1.0})),
        example(facts.TicketClocks, 2, ticket_id=TICKET, created_at=NOW, **known),
    )
    one, two = ask("SELECT * FROM ticket_metrics ORDER BY ticket_id")
    assert one["first_reply_time_business_minutes"] == 1.0
    assert one["total_reply_time_calendar_minutes"] == 2.0  # 90 s + 30 s
    assert (one["requester_wait_time_in_calendar_minutes"], one["requester_wait_time_in_business_minutes"]) == (
        10.0,
        5.0,
    )
    assert (one["solve_time_in_calendar_minutes"], one["solve_time_in_business_minutes"]) == (12.0, 5.0)
    assert one["agent_wait_time_in_business_minutes"] == 0.0
    assert two["requester_wait_time_in_calendar_minutes"] is two["first_reply_time_business_minutes"] is None


def test_the_summary_of_an_empty_desk_is_one_row_of_zeroes(ask):
    (row,) = ask("SELECT * FROM ticket_summary")
    assert set(row.values()) == {0}


def test_every_view_can_be_read_when_there_is_nothing(clickhouse):
    from sinks.clickhouse.migrate import replace_views

    for name in replace_views(clickhouse):
        clickhouse.query(f"SELECT * FROM {name}")
