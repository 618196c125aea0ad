"""The views of SLA clocks over a handful of facts, against states derived by hand."""

import pytest

from schemas import facts
from schemas.clock import MICROS

pytestmark = pytest.mark.stack
HOUR = 3600 * MICROS
MIDNIGHT = 1_772_409_600 * MICROS  # Monday 2026-03-02T00:00:00Z
TICKET = "ABCDEFGHIJKL-1"


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


def test_promises_are_kept_broken_open_or_ended(insert, ask):
    def promise(version, ticket, outcome, answered=None):
        return facts.PromiseFact(
            customer_tag="ABCDEFGHIJKL", version=version, partition=0, at=MIDNIGHT + version, ticket_id=f"T-{ticket}", episode=1,
            channel="email", team="support", policy="mail", brand="tea", outcome=outcome, given_at=MIDNIGHT,
            promised_at=MIDNIGHT + 2 * HOUR, answered_at=None if answered is None else MIDNIGHT + answered,
        )  # fmt: skip

    insert(*(promise(number, number, "open") for number in range(1, 5)))
    insert(promise(11, 1, "kept", HOUR), promise(12, 2, "broken"), promise(13, 3, "ended"))
    insert(promise(22, 2, "broken", 3 * HOUR))
    columns = "ticket_id, is_kept, promised_seconds, answered_seconds, late_seconds, channel, team, brand"
    rows = [list(row.values()) for row in ask(f"SELECT {columns} FROM promise_kept ORDER BY ticket_id")]
    assert rows == [
        ["T-1", True, 7200, 3600, 0, "email", "support", "tea"],
        ["T-2", False, 7200, 10_800, 3600, "email", "support", "tea"],
        ["T-3", None, 7200, None, None, "email", "support", "tea"],
        ["T-4", None, 7200, None, None, "email", "support", "tea"],
    ]
