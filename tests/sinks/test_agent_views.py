"""Presence and occupancy of agents, against figures by hand. Times are hours of Monday 2026-03-02, UTC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas import facts
from schemas.clock import MICROS
from tests.support.sinks.deployment import Ask
from tests.support.sinks.examples import example

pytestmark = pytest.mark.stack
HOUR = 3600 * MICROS
MIDNIGHT = 1_772_409_600 * MICROS  # Monday 2026-03-02T00:00:00Z
Insert = Callable[..., None]


def clock(text: str) -> int:
    """`09:30`; hours beyond 24 are on the days after."""
    hours, minutes = map(int, text.split(":"))
    return MIDNIGHT + hours * HOUR + minutes * 60 * MICROS


def line(agent: str, *stretches: str, team: str = "support") -> list[facts.PresenceFact]:
    """Stretches as the router writes them: `09:00 online`, `09:10 busy`, `12:00 away`; each lasts until the next."""
    given_ = [(clock(each.split()[0]), each.split()[1]) for each in stretches]
    found: list[facts.PresenceFact] = []
    for number, (since, what) in enumerate(given_):
        status = "online" if what == "busy" else what
        before = found[-1] if found and found[-1].status == status else None
        until = given_[number + 1][0] if number + 1 < len(given_) else None
        found.append(
            facts.PresenceFact(
                customer_tag="",
                version=number,
                partition=0,
                at=since,
                team=team,
                agent_id=agent,
                since=since,
                status=status,
                busy=what == "busy",
                status_since=before.status_since if before else since,
                until=until,
            )
        )
    return found


def talked(number: int, agent: str, ended: str, minutes: float | None, **fields: Any) -> facts.ConversationFact:
    values = {"customer_tag": "ABCDEFGHIJKL", "version": number, "partition": 0, "at": clock(ended)}
    values |= {"event_id": f"c{number}", "kind": "call", "outcome": "answered", "agent_id": agent}
    return facts.ConversationFact(
        **values | {"team": "support", "handle_seconds": None if minutes is None else 60 * minutes} | fields
    )


def seen(at: str) -> facts.ContactFact:
    """A contact, which says how late it is."""
    fact: facts.ContactFact = example(facts.ContactFact, at=clock(at), received_at=clock(at), imported=False)
    return fact


def test_since_when_and_how_long_each_agent_was_there(insert: Insert, ask: Ask) -> None:
    """mei: 09:00 to 12:00 is 3 h, of them 09:30 to 10:00 and 11:00 to 12:00 with work, 1.5 h; away 1 h; then from 13:00
    until the newest contact at 15:00, 2 h, without. tom left at 10:30, and 4.5 h have passed since."""
    insert(
        *line("mei", "09:00 online", "09:30 busy", "10:00 online", "11:00 busy", "12:00 away", "13:00 online"),
        *line("tom", "08:00 busy", "10:30 offline"),
        seen("15:00"),
    )
    rows = ask(
        "SELECT agent_id, status, since, until, seconds, busy_seconds FROM agent_presence ORDER BY agent_id, since"
    )
    assert [(r["agent_id"], r["status"], r["since"].hour, r["seconds"] / 3600, r["busy_seconds"]) for r in rows] == [
        ("mei", "online", 9, 3.0, 5400),
        ("mei", "away", 12, 1.0, None),
        ("mei", "online", 13, 2.0, 0),
        ("tom", "online", 8, 2.5, 9000),
        ("tom", "offline", 10, 4.5, None),
    ]
    assert [r["until"] and r["until"].strftime("%H:%M") for r in rows] == ["12:00", "13:00", None, "10:30", None]
    [now] = ask("SELECT team, agent_id, since FROM agent_presence WHERE status = 'online' AND until IS NULL")
    assert (now["team"], now["agent_id"], now["since"].strftime("%H:%M")) == ("support", "mei", "13:00")


def test_a_stretch_counts_as_it_is_known_last(insert: Insert, ask: Ask) -> None:
    """The same stretch, written open and then ended: 1 h, once."""
    first, ended = line("mei", "09:00 online")[0], line("mei", "09:00 online", "10:00 offline")
    insert(first)
    insert(*(replace(fact, version=5) for fact in ended))
    online, offline = ask("SELECT * FROM agent_presence")
    assert (online["seconds"], online["status"], offline["status"], offline["until"]) == (
        3600,
        "online",
        "offline",
        None,
    )


def test_a_stretch_that_nobody_ended_ends_where_the_next_begins(insert: Insert, ask: Ask) -> None:
    """The router lost its states at some time after 09:00, and mei announced herself again at 10:00, until 11:00."""
    insert(*line("mei", "09:00 online"), *line("mei", "10:00 online", "11:00 offline"), seen("12:00"))
    rows = ask("SELECT * FROM agent_presence WHERE status = 'online'")
    assert [(row["since"].hour, row["until"].hour, row["seconds"]) for row in rows] == [(9, 10, 3600), (10, 11, 3600)]
    assert sum(row[0] for row in occupancy(ask, "1h").values()) == 120


def occupancy(ask: Ask, window: str, agent: str = "mei") -> dict[str, tuple[Any, ...]]:
    """Hour and minute of the window → available, handling, waiting, conversation, away, outside in minutes; occupancy."""
    names = ("available", "handling", "waiting", "conversation", "away", "outside")
    return {
        row["window_start"].strftime("%d %H:%M"): (
            *(None if row[f"{name}_seconds"] is None else row[f"{name}_seconds"] / 60 for name in names),
            row["occupancy"],
        )
        for row in ask(f"SELECT * FROM agent_occupancy_{window} WHERE agent_id = '{agent}'")
    }


def test_occupancy_by_hour_and_by_day(insert: Insert, ask: Ask) -> None:
    """09:15 to 10:00 are 45 min available, from 09:30 with work: 30/45. 10:00 to 11:00: work until 10:12, 12/60. 11:00 to
    12:00: away from 11:30, nothing in hand: 0/30. 12:00 to 13:00: away, no share of nothing. The day: 42 of 135 min."""
    insert(
        *line("mei", "09:15 online", "09:30 busy", "10:12 online", "11:30 away", "13:00 offline"),
        seen("20:00"),
    )
    assert occupancy(ask, "1h") == {
        "02 09:00": (45, 30, 15, 0, 0, 0, 30 / 45),
        "02 10:00": (60, 12, 48, 0, 0, 0, 0.2),
        "02 11:00": (30, 0, 30, 0, 30, 0, 0),
        "02 12:00": (0, 0, 0, 0, 60, 0, None),
    }
    assert occupancy(ask, "24h") == {"02 00:00": (135, 42, 93, 0, 90, 0, 42 / 135)}
    assert occupancy(ask, "5m")["02 10:10"] == (5, 2, 3, 0, 0, 0, 0.4)
    assert list(occupancy(ask, "7d")) == ["26 00:00"], "Thursday 26 February"


def test_calls_and_chats_are_handling_too_and_what_overlaps_counts_once(insert: Insert, ask: Ask) -> None:
    """Work in hand 09:10 to 09:30. A call 09:20 to 09:40, and a chat 09:35 to 09:50: handling 09:10 to 09:50 is 40 min,
    in conversation 09:20 to 09:50, 30 min. Online from 09:00 to 10:00: 40/60."""
    insert(
        *line("mei", "09:00 online", "09:10 busy", "09:30 online", "10:00 offline"),
        talked(1, "mei", "09:40", 20),
        talked(2, "mei", "09:50", 15, kind="chat"),
        talked(3, "mei", "09:59", 50, imported=True),
        talked(4, "", "09:59", 50, outcome="abandoned"),
        seen("12:00"),
    )
    assert occupancy(ask, "1h") == {"02 09:00": (60, 40, 20, 30, 0, 0, 40 / 60)}
    [row] = ask("SELECT conversation_share, unmeasured, teams FROM agent_occupancy_1h")
    assert (row["conversation_share"], row["unmeasured"], row["teams"]) == (0.5, 0, ["support"])


def test_a_call_while_away_is_outside_and_one_over_the_hour_is_in_both(insert: Insert, ask: Ask) -> None:
    """Online 09:00 to 09:40, away until 10:10, online until 11:00. A call 09:30 to 10:20: 10 min in the first hour's
    available 40 and 20 outside; 10 outside in the second, and 10 in its available 50."""
    insert(*line("mei", "09:00 online", "09:40 away", "10:10 online", "11:00 offline"), talked(1, "mei", "10:20", 50))
    assert occupancy(ask, "1h") == {
        "02 09:00": (40, 10, 30, 10, 20, 20, 0.25),
        "02 10:00": (50, 10, 40, 10, 10, 10, 0.2),
    }


def test_a_call_of_unknown_length_is_told_and_not_guessed(insert: Insert, ask: Ask) -> None:
    insert(*line("mei", "09:00 online", "10:00 offline"), talked(1, "mei", "09:40", None, kind="chat"))
    [row] = ask("SELECT * FROM agent_occupancy_1h")
    assert (row["available_seconds"], row["handling_seconds"], row["occupancy"], row["unmeasured"]) == (3600, 0, 0, 1)


def test_of_an_agent_without_a_presence_nothing_is_known_but_the_calls(insert: Insert, ask: Ask) -> None:
    """A telephone system that reports no presence: 30 min of calls, and no share of anything."""
    insert(talked(1, "eva", "09:40", 20), talked(2, "eva", "09:50", 10), seen("12:00"))
    assert occupancy(ask, "1h", "eva") == {"02 09:00": (None, None, None, None, None, 30, None)}


def test_online_in_two_teams_counts_once(insert: Insert, ask: Ask) -> None:
    """support 09:00 to 09:40, payments 09:20 to 10:00: an hour. Work in support 09:10 to 09:30, in payments 09:25 to
    09:45: 35 min."""
    insert(
        *line("mei", "09:00 online", "09:10 busy", "09:30 online", "09:40 offline"),
        *line("mei", "09:20 online", "09:25 busy", "09:45 online", "10:00 offline", team="payments"),
        seen("12:00"),
    )
    assert occupancy(ask, "1h") == {"02 09:00": (60, 35, 25, 0, 0, 0, 35 / 60)}
    [row] = ask("SELECT teams FROM agent_occupancy_1h")
    assert row["teams"] == ["payments", "support"]


def test_who_is_there_still_is_there_until_the_newest_contact(insert: Insert, ask: Ask) -> None:
    """Online since 09:00; the newest contact came at 10:30: an hour, and half of the next, of which 15 min with work."""
    insert(*line("mei", "09:00 online", "10:15 busy"), seen("10:30"))
    assert occupancy(ask, "1h") == {
        "02 09:00": (60, 0, 60, 0, 0, 0, 0),
        "02 10:00": (30, 15, 15, 0, 0, 0, 0.5),
    }


def test_a_shift_over_midnight_belongs_to_both_days(insert: Insert, ask: Ask) -> None:
    """22:00 to 06:00: 2 h and 6 h; work from 23:00 to 01:00, an hour of each."""
    insert(*line("mei", "22:00 online", "23:00 busy", "25:00 online", "30:00 offline"), seen("40:00"))
    assert occupancy(ask, "24h") == {
        "02 00:00": (120, 60, 60, 0, 0, 0, 0.5),
        "03 00:00": (360, 60, 300, 0, 0, 0, 60 / 360),
    }


def test_nothing_known_is_no_row(insert: Insert, ask: Ask) -> None:
    assert ask("SELECT * FROM agent_presence") == ask("SELECT * FROM agent_occupancy_24h") == []
    insert(*line("mei", "09:00 offline"), seen("12:00"))
    assert ask("SELECT * FROM agent_occupancy_1h") == [], "nobody asks for the share of those who are not there"


# -- against minutes --------------------------------------------------------------------------------------------------

states = st.sampled_from(("online", "busy", "away", "offline"))
lines_ = st.lists(st.tuples(st.integers(0, 179), states), min_size=1, max_size=8, unique_by=lambda each: each[0]).map(
    sorted
)
calls = st.lists(st.tuples(st.integers(1, 200), st.integers(1, 90)), max_size=4)


@given(support=lines_, payments=st.one_of(st.just([]), lines_), calls_=calls)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_minute_is_counted_once_and_shares_are_shares(
    insert: Insert, ask: Ask, clickhouse: Any, support: Any, payments: Any, calls_: Any
) -> None:
    """Three hours, minute by minute: where the agent was, and what they had in hand."""
    for table in ("presences", "conversations", "contacts"):
        clickhouse.command(f"TRUNCATE TABLE {table}")
    at = "{0[0]:d}:{0[1]:02d}".format
    insert(
        *line("mei", *(f"{at(divmod(m, 60))} {what}" for m, what in support)),
        *line("mei", *(f"{at(divmod(m, 60))} {what}" for m, what in payments), team="payments"),
        *(talked(number, "mei", at(divmod(end, 60)), length) for number, (end, length) in enumerate(calls_)),
        seen("3:00"),
    )

    def where(line_: Any, minute: int) -> str:
        return next((what for m, what in reversed(line_) if m <= minute), "unknown")

    expected: dict[str, list[int]] = {}
    for minute in range(180):
        here = {where(support, minute), where(payments, minute)}
        online, busy = bool(here & {"online", "busy"}), "busy" in here
        talks = any(end - length <= minute < end for end, length in calls_)
        counts = expected.setdefault(f"02 0{minute // 60}:00", [0, 0, 0, 0])
        for place, true in enumerate((online, online and (busy or talks), online and talks, talks and not online)):
            counts[place] += true
    found = occupancy(ask, "1h")
    for window, (available, handling, conversation, outside) in expected.items():
        row = found.get(window, (0, 0, 0, 0, 0, 0, None))
        assert (row[0] or 0, row[1] or 0, row[3] or 0, row[5]) == (available, handling, conversation, outside)
        assert row[6] == (pytest.approx(handling / available) if available else None)
        assert row[2] is None or row[1] + row[2] == row[0]


def offer(number: int, outcome: str, seconds: float | None = None, agent: str = "mei") -> facts.OfferFact:
    """An offer at 9:00 that ended so many seconds later."""
    offered_at = clock("09:00")
    return facts.OfferFact(
        customer_tag="ABCDEFGHIJKL",
        version=number,
        partition=0,
        at=offered_at,
        offer_id=f"offer-{agent}-{number % 10}",
        ticket_id="ABCDEFGHIJKL-1",
        team="support",
        agent_id=agent,
        outcome=outcome,
        offered_at=offered_at,
        expires_at=None if outcome == "late" else offered_at + 20 * MICROS,
        ended_at=None if seconds is None else offered_at + round(seconds * MICROS),
        channel="chat",
    )


def test_offers_are_counted_by_what_became_of_them(insert: Insert, ask: Ask) -> None:
    insert(*(offer(number, "open") for number in range(5)), offer(0, "open", agent="tom"))
    insert(offer(10, "accepted", 5), offer(11, "accepted", 10.5), offer(12, "missed", 20), offer(13, "withdrawn", 3))
    insert(offer(15, "late", 30), offer(14, "declined", 2))
    columns = "agent_id, offers, accepted, declined, missed, withdrawn, open, late, accepted_share, accept_seconds"
    rows = [list(row.values()) for row in ask(f"SELECT {columns} FROM agent_offers ORDER BY agent_id")]
    assert rows == [["mei", 5, 2, 1, 1, 1, 0, 1, 0.5, 7.75], ["tom", 1, 0, 0, 0, 0, 1, 0, None, None]]
