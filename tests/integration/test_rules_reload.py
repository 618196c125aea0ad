"""Rules that change while workers run, are killed and start again: on the real Kafka, with real processes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner

from deploy.local.process import free_ports
from schemas import codec
from schemas.events import MessageReceived
from schemas.facts import ClockFact, TagFact, TicketFact
from schemas.identity import customer_tag, event_id
from schemas.settings import WorkerSettings
from schemas.topics import CLOCK_FACTS, CONTACT_EVENTS, TAG_FACTS, TICKET_FACTS
from stream_processors.rules import cli
from stream_processors.rules.ruleset import SHIPPED, of_files
from stream_processors.rules.topic import RulesTopic
from stream_processors.rules.versions import RulesetHistory, RulesetVersion
from stream_processors.tickets.processor import TicketsProcessor
from tests.conftest import Deployment
from tests.support.faults.recount import difference, facts_in_kafka, facts_offline, read
from tests.support.timeouts import eventually

ROOT = Path(__file__).parents[2]
POLICIES = """time_zone: Europe/London
reopen: {window: 7d, thanks: [thanks]}
policies:
  - {name: %s, targets: {first_response: 4h, full_resolution: 9h}}
"""
#: A worker that dies between its outputs and its states: what it wrote is durable, and nothing is committed.
DIES = """
import os, signal
from stream_processors import __main__
from stream_processors.runtime.batch_writer import BatchWriter

write_changelog = BatchWriter.write_changelog

async def die(self, writes, partition, values):
    if "tickets" in self._changelog:  # routing may be quicker than the last of the tickets' outputs is durable
        os.kill(os.getpid(), signal.SIGKILL)
    return await write_changelog(self, writes, partition, values)

BatchWriter.write_changelog = die
__main__.cli([])
"""
pytestmark = [pytest.mark.stack, pytest.mark.timeout(480)]


class RunningWorkers:
    """One deployment with a directory of rules, and whatever runs on it."""

    def __init__(self, deployment: Deployment, folder: Path) -> None:
        self.deployment, self.rules, self.log = deployment, folder / "rules", folder / "worker.log"
        shutil.copytree(SHIPPED, self.rules)
        self.settings = deployment.settings(WorkerSettings)
        self.env = {
            **os.environ,
            **deployment.env,
            "PYTHONPATH": str(ROOT),
            "DESKSTREAM_CONFIG_DIR": str(self.rules),
            "DESKSTREAM_RULES_WATCH_SECONDS": "0.2",
            "DESKSTREAM_RULES_LEAD_SECONDS": "3",
            "DESKSTREAM_LOG_FORMAT": "json",
            "COLUMNS": "200",
        }
        self.told = 0

    def policy(self, name: str) -> None:
        """Save policies with one policy of this name."""
        self.save("policies.yaml", POLICIES % name)

    def save(self, name: str, text: str) -> None:
        """In one piece: the workers look at the directory all the time."""
        draft = self.rules.parent / "draft"
        draft.write_text(text, "utf-8")
        draft.replace(self.rules / name)

    def contact(self, count: int = 1) -> list[str]:
        """New customers write now; their tags."""
        producer = KafkaProducer(bootstrap_servers=self.settings.kafka_bootstrap_servers, acks="all")
        tags = []
        for _ in range(count):
            self.told += 1
            customer_id, now = f"email:c{self.told}@example.org", self.settings.pipeline_clock.now()
            tags.append(customer_tag(customer_id))
            event = MessageReceived(
                event_id=event_id("reload", str(self.told)),
                occurred_at=now,
                received_at=now,
                customer_tag=tags[-1],
                channel="email",
                source="test",
                customer_id=customer_id,
                address=customer_id.partition(":")[2],
                text="My card was declined.",
            )
            producer.send(self.settings.topic(CONTACT_EVENTS), key=tags[-1].encode(), value=codec.encode(event))
        producer.close()
        return tags

    def facts(self, tags: list[str]) -> list[TicketFact]:
        """A ticket fact of each of these customers."""
        found = {fact.customer_tag: fact for fact in map(decoded, read(self.settings, TICKET_FACTS)) if fact}
        return [found[tag] for tag in tags] if set(tags) <= set(found) else []

    def policies_of(self, tags: list[str]) -> set[tuple[str, str]]:
        facts = eventually(lambda: self.facts(tags))
        return {(fact.policy, fact.policy_version) for fact in facts}

    def command(self, *words: str, code: int = 0) -> str:
        """What `python -m stream_processors rules ...` prints, to either output."""
        done = CliRunner().invoke(cli.cli, words, env=self.env)
        assert done.exit_code == code, done.output
        return done.output

    @contextmanager
    def worker(self) -> Iterator[Callable[[str], float]]:
        """A running worker; gives a function that reads one of its metrics."""
        (port,) = free_ports(1)
        child = self.start([sys.executable, "-m", "stream_processors"], str(port))
        try:
            yield lambda name: metric(port, name)
            child.send_signal(signal.SIGTERM)
            assert child.wait(60) == 0, self.log.read_text()
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()

    def start(self, command: list[str], port: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command, cwd=ROOT, env={**self.env, "DESKSTREAM_METRICS_PORT": port}, stdout=log, stderr=log
            )

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def history(self) -> RulesetHistory:
        """What anybody reads from the topic."""

        async def work() -> RulesetHistory:
            async with RulesTopic.opened(self.settings) as log:
                records = [each.record for each in log.published]
            return RulesetHistory(
                *(RulesetVersion(each.effective_from, of_files(each.files, each.mail_domain)) for each in records)
            )

        return asyncio.run(work())


def decoded(record: Any) -> TicketFact | None:
    fact = codec.decode(record.value)
    return fact if isinstance(fact, TicketFact) else None


def metric(port: int, name: str) -> float:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return float("nan")
    return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name} ")), float("nan"))


@pytest.fixture
def workers(deployment: Deployment, tmp_path: Path) -> RunningWorkers:
    return RunningWorkers(deployment, tmp_path)


def test_rules_change_without_a_restart_and_a_mistake_changes_nothing(workers: RunningWorkers, tmp_path: Path) -> None:
    workers.policy("spring")
    with workers.worker() as value:
        [(policy, spring)] = workers.policies_of(workers.contact())
        assert policy == "spring"

        workers.save("policies.yaml", POLICIES % "x" + "    tragets: {}\n")
        eventually(lambda: value("deskstream_rules_invalid") == 1)
        [refused] = eventually(
            lambda: workers.logged("the directory of rules is invalid; what is in force stays in force")
        )
        assert f"{workers.rules}/policies.yaml:" in refused["error"]
        assert value('deskstream_rules_refused_total{reason="invalid"}') == 1
        assert workers.policies_of(workers.contact()) == {("spring", spring)}

        workers.policy("summer")
        eventually(lambda: value("deskstream_rules_effective_timestamp_seconds") > 0)
        assert value("deskstream_rules_invalid") == 0
        [(policy, summer)] = workers.policies_of(workers.contact())
        assert policy == "summer"
        assert summer != spring

        first, second = workers.history().versions
        listed = workers.command("list").splitlines()
        assert [line.split()[0] for line in listed[1:]] == ["always", listed[2].split()[0]]
        assert first.rules.version in listed[1]
        assert second.rules.version in listed[2]
        assert "in force" in listed[2]
        assert workers.command("show", first.rules.version[:8], "policies.yaml") == POLICIES % "spring"
        assert "templates/en/email.txt" in workers.command("show", second.rules.version)
        assert value(f'deskstream_rules_info{{version="{second.rules.version}"}}') == 1

        back = tmp_path / "back"
        assert "are in" in workers.command("show", first.rules.version, "--to", str(back))
        assert f"version {first.rules.version}" in workers.command("check", str(back))
        assert "is past" in workers.command("publish", str(back), "--from", "2020-01-01T00:00Z", code=2)
        assert "takes effect from" in workers.command("publish", str(back), "--by", "ann")
        assert "nothing to do" in workers.command("publish", str(back))
        eventually(lambda: value(f'deskstream_rules_info{{version="{first.rules.version}"}}') == 1)
        assert value("deskstream_rules_unpublished") == 1, "the directory still holds the summer's"
        assert workers.policies_of(workers.contact()) == {("spring", spring)}
        time.sleep(1)  # five looks at the directory: it did not change, so it does not argue with ann
        assert len(workers.history()) == 3

    kafka, _ = facts_in_kafka(workers.settings)
    assert difference(kafka, facts_offline(workers.settings, TicketsProcessor(workers.history()))) == {}


def test_a_batch_that_a_killed_worker_wrote_is_folded_again_with_the_rules_of_then(workers: RunningWorkers) -> None:
    workers.policy("spring")
    before = workers.contact(40)
    dying = workers.start([sys.executable, "-c", DIES], "0")
    assert dying.wait(90) == -signal.SIGKILL, workers.log.read_text()
    written = sum(1 for _ in read(workers.settings, TICKET_FACTS))
    assert written > 0, "outputs were durable before it died"

    workers.policy("summer")
    with workers.worker():
        assert {policy for policy, _ in workers.policies_of(before)} == {"spring"}
        eventually(lambda: len(workers.history()) == 2)
        begins = workers.history().versions[1].effective_from
        eventually(lambda: workers.settings.pipeline_clock.now() >= begins)
        assert {policy for policy, _ in workers.policies_of(workers.contact(5))} == {"summer"}

    kafka, records = facts_in_kafka(workers.settings)  # fails when two records of one version differ in a byte
    assert records >= len(kafka) + written, "what the killed worker wrote was written again"
    assert difference(kafka, facts_offline(workers.settings, TicketsProcessor(workers.history()))) == {}
    [spring, summer] = [version.rules for version in workers.history().versions]
    for topic, kind, field in (
        (TAG_FACTS, TagFact, "taxonomy_version"),
        (CLOCK_FACTS, ClockFact, "policy_version"),
        (TICKET_FACTS, TicketFact, "policy_version"),
    ):
        versions = {
            getattr(fact, field)
            for fact in (codec.decode(record.value) for record in read(workers.settings, topic))
            if isinstance(fact, kind)
        }
        assert versions == ({spring.taxonomy.version} if kind is TagFact else
                            {spring.policies.version, summer.policies.version})  # fmt: skip


def test_a_directory_with_a_mistake_stops_the_first_worker_and_the_commands_name_the_line(
    workers: RunningWorkers,
) -> None:
    (workers.rules / "teams.yaml").write_text("fallback: nobody\nteams:\n  support: {}\n", "utf-8")
    complaint = f"deskstream: {workers.rules}/teams.yaml:1: the fallback 'nobody' is not one of the teams\n"
    for word in ("check", "publish"):
        assert workers.command(word, str(workers.rules), code=2) == complaint
    shell = [sys.executable, "-m", "stream_processors"]
    for words in (["rules", "check", str(workers.rules)], ["--check"]):
        done = subprocess.run([*shell, *words], cwd=ROOT, env=workers.env, capture_output=True, text=True, timeout=180)
        assert (done.returncode, done.stderr) == (2, complaint)
    assert "No rules were published yet" in workers.command("list")
    assert "was never published" in workers.command("show", "abc", code=2)
    worker = workers.start(shell, "0")
    assert worker.wait(120) == 2, workers.log.read_text()
    assert f"{workers.rules}/teams.yaml:1" in workers.log.read_text()
