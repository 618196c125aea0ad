"""`python -m stream_processors recompute` on the real log and the real tables: other rules, beside what was said then."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from schemas import codec
from schemas.clock import MICROS
from schemas.errors import ConfigurationError
from schemas.facts import Fact
from schemas.settings import Settings, SinkSettings
from schemas.topics import CONTACT_EVENTS
from sinks.clickhouse import connection, migrate, recompute
from sinks.clickhouse.avro_file import shapes
from sinks.clickhouse.inserter import SETTINGS
from stream_processors.rules import ruleset
from tests.conftest import Deployment, Endpoints, deployed
from tests.support.month.shop import Shop
from tests.support.tickets.moving_story import MovingStory

pytestmark = [pytest.mark.stack, pytest.mark.timeout(480)]
ROOT = Path(__file__).parents[2]
START = 1_774_569_600 * MICROS  # Friday 2026-03-27T00:00:00Z
#: When the office opens and closes on that day, seconds.
OPENS, CLOSES = START // MICROS + 9 * 3600, START // MICROS + 18 * 3600
#: What first-response targets of mail are changed to, seconds.
STRICTER = 3600.0


@dataclass
class PlayedDay:
    """A day of a shop: its log in Kafka, its facts in ClickHouse, and the command."""

    settings: SinkSettings
    client: Any
    env: dict[str, str]

    def recompute(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "stream_processors", "recompute", *words]
        return subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=300)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.client.query(sql).result_rows]

    def live(self) -> list[tuple[Any, ...]]:
        """Everything that the live ledger says."""
        return self.ask(f"SELECT * FROM {self.settings.clickhouse_database}.clocks FINAL ORDER BY ALL")


@pytest.fixture(scope="module")
def day(stack: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlayedDay]:
    with deployed(stack, tmp_path_factory.mktemp("day")) as deployment:
        yield from played(deployment)


def played(deployment: Deployment) -> Iterator[PlayedDay]:
    settings, events, facts = deployment.settings(SinkSettings), [], dict[bytes, list[bytes]]()

    def hears(fact: Fact) -> None:
        value = codec.encode(fact)
        facts.setdefault(value[:10], []).append(value)

    shop = Shop(ruleset.load(), hears, lambda raw: None, contacts=120, start=START, days=1, logs=events.append)
    shop.play()
    producer = KafkaProducer(
        bootstrap_servers=deployment.settings(Settings).kafka_bootstrap_servers, acks="all", linger_ms=50
    )
    topic = deployment.settings(Settings).topic(CONTACT_EVENTS)
    for worker in merged(shop.end).cluster.workers:
        for record in worker.log:
            producer.send(topic, key=record.key, value=record.value)
        for fact in worker.records(Fact):
            hears(fact)
    for event in events:
        key = event.customer_tag or "pane"
        producer.send(topic, key=key.encode(), value=codec.encode(event))
    producer.close()
    client = connection.connect(settings)
    migrate.migrate(client)
    migrate.replace_views(client)
    for header, values in facts.items():
        if (shape := shapes().get(header)) is not None:
            client.raw_insert(shape.table.name, shape.columns, shape.file(values), settings=SETTINGS, fmt="Avro")
    stands_still = f"origin={shop.end - 1},wall={time.time_ns() // 1000},speed=1e-9"
    env = {**os.environ, **deployment.env, "DESKSTREAM_CLOCK": stands_still, "COLUMNS": "220"}
    yield PlayedDay(settings, client, env)
    for name in ("same", "stricter", "broken"):
        recompute.drop(settings, name)
    client.close()


def merged(until: int) -> Any:
    """Somebody who was answered, and asked again, after their ticket had gone to somebody else, and then to a third."""
    story = MovingStory(ruleset.load())
    story.message(0)
    story.merge(600)
    story.reply(1200)
    story.merge(1800, "bob", "cat")
    story.more(2400)
    story.worker.advance(until - 1)
    return story.worker


def test_the_same_rules_change_nothing_and_others_show_what_they_would_have_changed(day, tmp_path):
    before = day.live()
    same = day.recompute("--config", str(ruleset.SHIPPED), "--into", "same")
    assert same.returncode == 0, same.stderr
    assert "no clock differs" in same.stdout

    stricter = tmp_path / "rules"
    shutil.copytree(ruleset.SHIPPED, stricter)
    text = (stricter / "policies.yaml").read_text()
    head, mail = text.split("  - name: mail\n")
    (stricter / "policies.yaml").write_text(
        f"{head}  - name: mail\n{mail.replace('first_response: 9h', 'first_response: 1h')}"
    )
    done = day.recompute("--config", str(stricter), "--into", "stricter")
    assert done.returncode == 0, done.stderr
    tables = f"{day.settings.clickhouse_database}_recompute_stricter"
    differences = day.ask(
        f"SELECT ticket_id, clock, old_target_seconds, new_target_seconds, new_state FROM {tables}.differences ORDER BY ALL"
    )
    # every mail ticket of the day, answered or not: missed by the new target exactly when nobody answered within it. The
    # office is open from nine to six; an hour of it that is not over by then ends on Monday.
    expected = day.ask(f"""
        SELECT ticket_id, 'first_response', 32400., {STRICTER},
               multiIf(first_response_business_seconds < {STRICTER}, 'met',
                       status IN ('solved', 'closed') AND first_response_seconds IS NULL, 'cancelled',
                       greatest(toUnixTimestamp(created_at), {OPENS}) + {STRICTER} <= {CLOSES}, 'breached', 'running')
        FROM (SELECT * FROM {day.settings.clickhouse_database}.tickets FINAL) AS tickets
        LEFT JOIN (SELECT ticket_id, first_response_business_seconds
                   FROM {day.settings.clickhouse_database}.ticket_clocks FINAL) AS measured USING ticket_id
        WHERE ticket_id IN (SELECT ticket_id FROM {day.settings.clickhouse_database}.clocks
                            WHERE clock = 'first_response' AND policy = 'mail') ORDER BY ALL""")
    assert differences == expected
    assert len(differences) > 20
    assert {state for *_, state in differences} >= {"met", "breached"}
    assert differences[0][0] in done.stdout
    assert "newly_breached" in done.stdout

    again = day.recompute("--config", str(stricter), "--into", "stricter")
    assert again.returncode == 2
    assert "a run of this name is there already" in again.stderr
    assert "--replace" in again.stderr
    replaced = day.recompute(
        *(
            "--config",
            str(stricter),
            "--into",
            "stricter",
            "--replace",
            "--from",
            "2026-03-27T23:59Z",
            "--reorder",
            "10",
        )
    )
    assert replaced.returncode == 0, replaced.stderr
    assert day.ask(f"SELECT count() FROM {tables}.differences") == [(len(differences),)]
    assert day.live() == before


def test_a_dry_run_shows_what_rules_that_are_off_would_have_done_and_changes_nothing(day):
    command = [sys.executable, "-m", "stream_processors", "automations", "--dry-run", "--all", "--limit", "5"]
    done = subprocess.run(command, cwd=ROOT, env=day.env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    head, *lines = done.stdout.splitlines()
    assert head.split() == ["when", "(UTC)", "rule", "ticket", "why", "action", "outcome"]
    assert any(line.startswith("first_response_missed  chat ") for line in lines), done.stdout
    assert day.ask(f"SELECT count() FROM {day.settings.clickhouse_database}.automations") == [(0,)]


def test_a_run_that_breaks_off_leaves_nothing(day):
    recompute.begin(day.settings, "broken")
    with pytest.raises(ConfigurationError, match="broke off"):
        recompute.fill(day.settings, "broken", io.BytesIO((5).to_bytes(4, "big") + b"abcde"))
    with pytest.raises(ConfigurationError, match="no run of this name"):
        recompute.show(day.settings, "broken")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--config", "nowhere"], "nowhere: is not a directory"),
        (["--config", str(ruleset.SHIPPED), "--into", "a-b"], "--into: 'a-b' is no name"),
        (["--config", str(ruleset.SHIPPED), "--from", "2026-03-27"], "--from: '2026-03-27' names no time zone"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_before_anything_is_read(day, words, said):
    done = day.recompute(*words)
    assert done.returncode == 2
    assert done.stderr.startswith(f"deskstream: {said}")
    assert done.stderr.count("\n") == 1
