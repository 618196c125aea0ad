"""Workers and sink are killed at random under load; afterwards everything is counted."""

from __future__ import annotations

import collections
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect import get_client

from schemas.events import AgentReplied, MessageReceived
from schemas.settings import WorkerSettings
from schemas.topics import FACT_TOPICS
from stream_processors.routing.processor import RoutingProcessor
from stream_processors.rules import ruleset
from stream_processors.tickets.processor import TicketsProcessor
from tests.support.faults.fleet import ROOT, SINK, WORKER, Fleet, await_drained, behind
from tests.support.faults.load import Load
from tests.support.faults.recount import difference, facts_in_kafka, facts_offline
from tests.support.timeouts import eventually

PER_SECOND = 600.0
TABLES = {
    "contacts": "ContactFact",
    "tickets": "TicketFact",
    "acknowledgements": "AcknowledgementFact",
    "tags": "TagFact",
    "clocks": "ClockFact",
    "ticket_clocks": "TicketClocks",
    "clock_shares": "ClockShare",
    "assignments": "AssignmentFact",
    "panes": "PaneFact",
    "pane_buckets": "PaneBucketFact",
    "presences": "PresenceFact",
}


@pytest.fixture
def fleet(deployment: Any, tmp_path: Path) -> Iterator[Fleet]:
    env = {**deployment.env, "DESKSTREAM_LOG_LEVEL": "info"}
    fleet = Fleet(env, tmp_path, {"worker-0": WORKER, "worker-1": WORKER, "sink": SINK})
    yield fleet
    fleet.end()


@pytest.mark.stack
@pytest.mark.parametrize(
    ("contacts", "kills"),
    [
        pytest.param(6_000, 3, marks=pytest.mark.timeout(900), id="short"),
        pytest.param(120_000, 40, marks=[pytest.mark.soak, pytest.mark.timeout(3600)], id="soak"),
    ],
)
def test_nothing_is_lost_or_doubled_when_workers_and_sink_are_killed_under_load(
    deployment: Any, fleet: Fleet, contacts: int, kills: int
) -> None:
    settings = deployment.settings(WorkerSettings)
    subprocess.run(
        [sys.executable, "-m", "sinks", "migrate"], cwd=ROOT, env={**fleet.env, "PYTHONPATH": str(ROOT)}, check=True
    )
    dice = random.Random(3)
    load = Load(settings, contacts, PER_SECOND)
    load.start()
    for _ in range(kills):
        load.join(dice.uniform(3.0, 5.0))
        fleet.kill(dice.choice(sorted(fleet.running)))
    load.join()
    await_drained(settings, fleet, seconds=150 + contacts / 100)
    workers = [name for name in fleet.running if name != "sink"]
    assert set(fleet.terminate(*workers).values()) == {0}, "SIGTERM drains and exits with 0"
    # a worker may still have written while it ended
    eventually(lambda: not behind(settings, settings.group("clickhouse"), FACT_TOPICS), "that the sink has all of it")
    assert fleet.terminate("sink") == {"sink": 0}

    kafka, written = facts_in_kafka(settings)
    offline = facts_offline(settings, TicketsProcessor(ruleset.load()), RoutingProcessor())
    assert difference(kafka, offline) == {}, "no fact is missing, none is too many, none is another"

    sent = collections.Counter(type(event) for event in load.sent)
    client = get_client(dsn=deployment.env["DESKSTREAM_CLICKHOUSE_URL"], database=deployment.database)

    def ask(sql: str) -> Any:
        return client.query(sql).result_rows

    kinds = dict(ask("SELECT kind, count() FROM contacts FINAL GROUP BY kind"))
    assert kinds["message_received"] == sent[MessageReceived] == contacts
    assert kinds["agent_replied"] == sent[AgentReplied]
    rows = {table: ask(f"SELECT count() FROM {table} FINAL")[0][0] for table in TABLES}
    assert rows == {table: sum(identity[0] == fact for identity in kafka) for table, fact in TABLES.items()}
    messages = collections.Counter(event.channel for event in load.sent if isinstance(event, MessageReceived))
    panes = dict(ask("SELECT channel, sum(contacts_received) FROM panes FINAL GROUP BY channel"))
    assert {channel: count for channel, count in panes.items() if count} == dict(messages)
    assert ask("SELECT sum(customer_messages) FROM tickets FINAL")[0][0] == contacts
    print(f"{kills} kills: {written} facts written, {len(kafka)} distinct, rows {rows}")
