"""The views of windows, quantiles and the backlog over a handful of facts, against numbers computed by hand."""

import collections
import itertools
import math
import random

import msgspec
import pytest

from schemas import facts
from schemas.clock import MICROS
from stream_processors.tickets.windows.quantile_sketch import bucket_of, quantile

pytestmark = pytest.mark.stack
HOUR = 3600 * MICROS
MIDNIGHT = 1_772_409_600 * MICROS  # Monday 2026-03-02T00:00:00Z
TICKET = "ABCDEFGHIJKL-1"


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
