"""The processes of a fault test, and how far behind the log they are."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from schemas.admin import partition_count
from schemas.settings import Settings
from schemas.topics import CONTACT_EVENTS, FACT_TOPICS, ROUTING, Topic

ROOT = Path(__file__).parents[3]
WORKER = ["-m", "stream_processors"]
SINK = ["-m", "sinks", "clickhouse"]


Ends = dict[TopicPartition, int]


class Fleet:
    """Processes that are started again whenever they are gone."""

    def __init__(self, env: dict[str, str], logs: Path, commands: dict[str, list[str]]) -> None:
        self.env, self.logs = {**os.environ, **env}, logs
        self.commands: dict[str, list[str]] = {}
        #: What single processes are started with, beside `env`.
        self.own_env: dict[str, dict[str, str]] = {}
        #: Exit codes of those that ended by themselves and were started again.
        self.ended: list[tuple[str, int]] = []
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        for name, command in commands.items():
            self.start(name, command)

    def start(self, name: str, command: list[str]) -> None:
        """Start a process under this name, which is also its worker id; its log goes on."""
        env = {**self.env, **self.own_env.get(name, {}), "DESKSTREAM_WORKER_ID": name, "PYTHONPATH": str(ROOT)}
        self.commands[name] = command
        with self.log_of(name).open("ab") as log:
            self.running[name] = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=env, stdout=log, stderr=log)

    def log_of(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def kill(self, name: str, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Kill it, and start it again; `meanwhile` is done in between."""
        self.running[name].kill()
        self.running[name].wait()
        meanwhile()
        self.start(name, self.commands[name])

    def terminate(self, *names: str) -> dict[str, int]:
        """SIGTERM to these, which are not started again; their exit codes."""
        for name in names:
            self.running[name].terminate()
        codes = {name: self.running[name].wait(60) for name in names}
        for name in names:
            del self.running[name]
        return codes

    def remove(self, name: str, *, kill: bool) -> None:
        """End it, in order or at once, and leave it away."""
        if not kill:
            [code] = self.terminate(name).values()
            # before it has begun to listen to signals, there is nothing to drain
            assert code in (0, -signal.SIGTERM), f"{name}: {code}: {self.log_of(name).read_text()[-600:]}"
            return
        process = self.running.pop(name)
        process.kill()
        process.wait()

    def restart_the_dead(self) -> None:
        for name, process in list(self.running.items()):
            if process.poll() is not None:
                self.ended.append((name, process.returncode))
                self.start(name, self.commands[name])

    def end(self) -> None:
        """Kill whatever still runs: for the end of a test that failed."""
        for process in self.running.values():
            process.kill()
            process.wait()


def behind(settings: Settings, group: str, topics: tuple[Topic, ...], ends: Ends | None = None) -> int:
    """Records between what a consumer group committed and `ends`, or the ends of the topics by now."""
    servers = settings.kafka_bootstrap_servers.split(",")
    consumer = KafkaConsumer(bootstrap_servers=servers, group_id=group, enable_auto_commit=False)
    with contextlib.closing(consumer):
        ends = ends or consumer.end_offsets(_partitions(settings, topics))
        return sum(max(0, end - (consumer.committed(each) or 0)) for each, end in ends.items())


def ends_of(settings: Settings, topics: tuple[Topic, ...]) -> Ends:
    """The offsets at which the topics end by now."""
    consumer = KafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers.split(","))
    with contextlib.closing(consumer):
        return dict(consumer.end_offsets(_partitions(settings, topics)))


def _partitions(settings: Settings, topics: tuple[Topic, ...]) -> list[TopicPartition]:
    return [
        TopicPartition(settings.topic(topic), number)
        for topic in topics
        for number in range(partition_count(topic, settings))
    ]


def await_drained(settings: Settings, fleet: Fleet, seconds: float, *, goes_on: bool = False) -> None:
    """Until the workers, and the sink if there is one, have committed everything that there is.

    With a clock that runs fast something is always due and written: `goes_on` waits for what there is at the beginning.
    """
    until, lag = time.monotonic() + seconds, {}
    groups = {"workers": (f"{settings.namespace}deskstream", (CONTACT_EVENTS, ROUTING))}
    if "sink" in fleet.running:
        groups["sink"] = settings.group("clickhouse"), FACT_TOPICS
    ends = {name: ends_of(settings, topics) if goes_on else None for name, (_, topics) in groups.items()}
    while time.monotonic() < until:
        fleet.restart_the_dead()
        lag = {name: behind(settings, group, topics, ends[name]) for name, (group, topics) in groups.items()}
        if not any(lag.values()):
            return
        time.sleep(1)
    pytest.fail(f"not drained after {seconds:.0f} s: {lag}")
