"""Why a ticket is with its team and agent, from the facts in ClickHouse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from schemas import facts
from schemas.clock import MICROS
from schemas.errors import ConfigurationError
from sinks.clickhouse.why import lines
from tests.support.sinks.examples import example

pytestmark = pytest.mark.stack
START = 1_772_409_600 * MICROS  # Monday 2026-03-02T00:00:00Z
MINE, OTHER, WAITS = "ABCDEFGHIJKL-1", "ABCDEFGHIJKL-2", "ABCDEFGHIJKL-3"


def ticket(name: str, assignee: str, rule: str, minutes: int, **fields: Any) -> facts.TicketFact:
    at = START + minutes * 60 * MICROS
    values = {"ticket_id": name, "assignee_id": assignee, "team": "payments", "team_rule": rule, "status": "open"}
    values |= {
        "created_at": at,
        "waiting_since": at,
        "version": minutes,
        "partition": 0,
        "at": at,
        "tags": ["payment.card"],
    }
    made: facts.TicketFact = example(facts.TicketFact, **values | fields)
    return made


def assigned(name: str, agent: str, reason: str, minutes: int, wait: float | None) -> facts.AssignmentFact:
    values = {"ticket_id": name, "agent_id": agent, "reason": reason, "wait_seconds": wait, "team": "payments"}
    values |= {"event_id": f"{name}-{minutes}", "version": minutes, "at": START + minutes * 60 * MICROS}
    made: facts.AssignmentFact = example(facts.AssignmentFact, **values)
    return made


def present(agent: str, status: str, busy: bool) -> facts.PresenceFact:
    values = {"team": "payments", "agent_id": agent, "status": status, "busy": busy, "since": START, "until": None}
    made: facts.PresenceFact = example(facts.PresenceFact, **values, version=1, at=START, status_since=START)
    return made


def test_a_ticket_says_why_it_is_where_it_is(insert: Callable[..., None], clickhouse: Any) -> None:
    insert(
        ticket(MINE, "mei", "rule:big-orders", 1),
        ticket(OTHER, "tom", "owner", 2),
        ticket(WAITS, "", "owner", 3),
        ticket("ABCDEFGHIJKL-4", "", "owner", 4),
        assigned(OTHER, "tom", "least_open", 3, 60.0),
        assigned(MINE, "mei", "previous_agent", 5, 240.0),
        *(present(*each) for each in (("tom", "online", True), ("ann", "away", False), ("mei", "online", True))),
    )
    told = "\n".join(lines(clickhouse, MINE))
    assert "team   payments: the rule 'big-orders' of teams.yaml chose it" in told
    assert "agent  mei: had the customer last, 2026-03-02 00:05:00, after 240 s in the queue, in which 1 others" in told
    assert "others at that moment: ann (away), tom (online, with tickets)" in told
    waits = "\n".join(lines(clickhouse, "ABCDEFGHIJKL-4"))
    assert "agent  none: it waits since 2026-03-02 00:04:00, 1 of the team wait longer" in waits
    assert "others now: ann (away), mei (online, with tickets), tom (online, with tickets)" in waits
    with pytest.raises(ConfigurationError, match="there is no ticket 'NOPE'"):
        lines(clickhouse, "NOPE")
