"""Workers and sink are killed at random under load; afterwards everything is counted."""

from __future__ import annotations

import collections
import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect import get_client
from kafka import KafkaConsumer, TopicPartition

from schemas.events import AgentReplied, MessageReceived
from schemas.settings import WorkerSettings
from schemas.topics import CONTACT_EVENTS, FACT_TOPICS, ROUTING, Topic
from stream_processors import rules
from stream_processors.tickets.fold import TicketsProcessor
from tests.faults.load import Load
from tests.faults.recount import difference, facts_in_kafka, facts_offline

ROOT = Path(__file__).parents[2]
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
}


class Fleet:
    """Processes that are started again whenever they are gone."""

    def __init__(self, env: dict[str, str], logs: Path) -> None:
        self.env, self.logs = env, logs
        self.commands = {
            "worker-0": ["-m", "stream_processors"],
            "worker-1": ["-m", "stream_processors"],
            "sink": ["-m", "sinks", "clickhouse"],
        }
        self.running = {name: self.start(name) for name in self.commands}

    def start(self, name: str) -> subprocess.Popen[bytes]:
        env = {**self.env, "DESKSTREAM_WORKER_ID": name, "PYTHONPATH": str(ROOT)}
        with (self.logs / f"{name}.log").open("ab") as log:
            return subprocess.Popen([sys.executable, *self.commands[name]], cwd=ROOT, env=env, stdout=log, stderr=log)

    def kill(self, name: str) -> None:
        self.running[name].kill()
        self.running[name].wait()
        self.running[name] = self.start(name)

    def restart_the_dead(self) -> None:
        for name, process in self.running.items():
            if process.poll() is not None:
                self.running[name] = self.start(name)

    def stop(self) -> dict[str, int]:
        """SIGTERM to all; their exit codes."""
        for process in self.running.values():
            process.terminate()
        return {name: process.wait(20) for name, process in self.running.items()}


@pytest.fixture
def fleet(deployment: Any, tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet({**os.environ, **deployment.env, "DESKSTREAM_LOG_LEVEL": "info"}, tmp_path)
    yield fleet
    for process in fleet.running.values():
        process.kill()
        process.wait()


def behind(settings: WorkerSettings, group: str, topics: tuple[Topic, ...]) -> int:
    """Records between what a consumer group committed and the ends of the topics."""
    consumer = KafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers, group_id=group, enable_auto_commit=False
    )
    with contextlib.closing(consumer):
        partitions = [TopicPartition(settings.topic(topic), p) for topic in topics for p in range(settings.partitions)]
        ends = consumer.end_offsets(partitions)
        return sum(ends[each] - (consumer.committed(each) or 0) for each in partitions)


def await_drained(settings: WorkerSettings, fleet: Fleet, seconds: float) -> None:
    """Until workers and sink have committed everything that there is."""
    until, lag = time.monotonic() + seconds, {}
    while time.monotonic() < until:
        fleet.restart_the_dead()
        lag = {
            "workers": behind(settings, f"{settings.namespace}deskstream", (CONTACT_EVENTS, ROUTING)),
            "sink": behind(settings, settings.group("clickhouse"), FACT_TOPICS),
        }
        if not any(lag.values()):
            return
        time.sleep(1)
    pytest.fail(f"not drained after {seconds:.0f} s: {lag}")


@pytest.mark.stack
@pytest.mark.parametrize(
    ("contacts", "kills"),
    [
        pytest.param(6_000, 3, marks=pytest.mark.timeout(300), id="short"),
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
    assert fleet.stop() == dict.fromkeys(fleet.running, 0), "SIGTERM drains and exits with 0"

    kafka, written = facts_in_kafka(settings)
    offline = facts_offline(settings, TicketsProcessor(rules.load()))
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
