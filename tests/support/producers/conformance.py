"""What every channel is to the conformance suite: the other end of it, which offers contacts as the real one would.

`tests/producers/conforming_<name>.py` declares `CHANNELS`; `test_conformance.py` runs each of them through every case that
does not stand in its `exempt`, with the reason.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import ClassVar

from kafka import KafkaConsumer, TopicPartition

from schemas import codec, plugins
from tests.conftest import KAFKA, Deployment
from tests.support.producers.balance import Metrics
from tests.support.producers.log_reader import DLQ, EVENTS, PRESENCE, free_port
from tests.support.timeouts import eventually

__all__ = ["CASES", "Answer", "Becomes", "Channel", "Process", "Site", "Tail", "channels"]

CASES = ("happy", "twice", "disordered", "forged", "oversize", "garbled", "outage", "killed")
#: The limit of a mail here, and how long Kafka may take before a source is told to come back.
MAIL_BYTES, PUBLISH_SECONDS = 100_000, 5.0
#: received, published, duplicates, dead-lettered
Balance = tuple[int, int, int, int]


class Answer(Enum):
    """What the source was told of something that it offered."""

    RECEIVED = "received"
    LATER = "come back later"
    REFUSED = "never"
    SILENT = "nothing"


class Becomes(Enum):
    """What an input becomes that is no contact as it stands. The value: what it adds to the balance."""

    EVENT = (1, 1, 0, 0)
    DEAD_LETTER = (1, 0, 0, 1)
    REFUSED = (0, 0, 0, 0)


class Process:
    """A producer process of the suite. Several channels may share one."""

    def __init__(self, name: str, *arguments: str, **env: str) -> None:
        self.name, self._arguments, self._env = name, arguments, env
        self.url = ""
        self._child: subprocess.Popen[bytes] | None = None
        self._log = Path()
        self.metrics = Metrics(0)

    def launch(self, site: Site) -> None:
        """Start it; `wait` until it is ready."""
        self.metrics = Metrics(free_port())
        self._log = site.folder / f"{self.name}.log"
        self._log.write_bytes(b"")
        ours = {"DESKSTREAM_METRICS_PORT": str(self.metrics.port), "DESKSTREAM_LOG_FORMAT": "json"}
        ours["DESKSTREAM_PUBLISH_TIMEOUT_SECONDS"] = str(PUBLISH_SECONDS)
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "producers", *self.arguments(site)],
                env={**os.environ, **site.deployment.env, **ours, **self.environment(site)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def arguments(self, site: Site) -> tuple[str, ...]:
        return self._arguments

    def environment(self, site: Site) -> Mapping[str, str]:
        return self._env

    def wait(self) -> None:
        assert self._child is not None

        def ready() -> bool:
            assert self._child is not None and self._child.poll() is None, self._log.read_text()[-2000:]
            return self.metrics.ready()

        eventually(ready)
        found = re.search(r'"url": "(http[^"]+)"', self._log.read_text())
        self.url = found[1] if found else ""

    def logged(self, pattern: str) -> str:
        """The first group of the first match in its log."""
        found = re.search(pattern, self._log.read_text())
        assert found, f"{pattern} is not in the log of {self.name}"
        return found[1]

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def ask_to_stop(self) -> None:
        if self._child is not None:
            self._child.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        self.ask_to_stop()
        if self._child is not None:
            try:
                self._child.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()

    def balance(self) -> Balance:
        """Read from /metrics; the first is the sum of the others, whatever happens."""
        return self.metrics.balance()

    def refused(self) -> int:
        return int(sum(self.metrics.counted("contacts_refused_total").values()))


class Channel(ABC):
    """One channel and its source.

    name      unique
    process   whose counters count it
    events    so many one contact becomes
    exempt    case → why it does not apply
    oversize, garbled   what these become
    twice     what a contact that is offered twice adds to the balance, for one event
    """

    name: str
    process: Process
    events: int = 1
    exempt: ClassVar[Mapping[str, str]] = {}
    oversize: Becomes = Becomes.REFUSED
    garbled: Becomes = Becomes.REFUSED
    twice: Balance = (2, 1, 1, 0)

    def open(self, site: Site) -> None:  # noqa: B027  (most have nothing to do)
        """Before its process starts: the site is there."""

    def begin(self) -> None:  # noqa: B027
        """Its process runs, for the first time."""

    def close(self) -> None:  # noqa: B027
        """At the end."""

    @abstractmethod
    def offer(self, number: int, seconds: float = 90.0) -> Answer:
        """Hand the contact of this number over and wait for the answer. What was not received may be offered again."""

    def offer_oversize(self) -> Answer:
        raise NotImplementedError

    def offer_garbled(self) -> Answer:
        """Bytes that are not what they claim to be: another charset, no JSON, no mail."""
        raise NotImplementedError

    def forge(self) -> list[Answer]:
        """Several ways of not proving who one is."""
        raise NotImplementedError

    def hang(self, number: int) -> None:
        """Hand over to a process that will be killed, and come to no answer."""
        try:
            self.offer(number, 30)
        except Exception:  # whatever a client raises when its server dies
            return

    def offer_at_length(self, number: int) -> Answer:
        """As `offer`; what can be interrupted in its middle makes this long."""
        return self.offer(number)

    def length(self) -> int:
        """Events of `offer_at_length`."""
        return self.events

    def before_length(self) -> None:  # noqa: B027
        """Just before `offer_at_length` begins, where it begins early."""

    def under_way(self) -> bool:
        """Whether `offer_at_length` is in its middle, where that is possible before Kafka is away."""
        return True

    #: Whether `offer_at_length` begins before the outage.
    early: ClassVar[bool] = False


class Tail:
    """Reads on where it stopped: the ids of all events and the dead letters, in the order in which they are seen."""

    def __init__(self, deployment: Deployment) -> None:
        names = [deployment.namespace + topic for topic in (EVENTS, PRESENCE, DLQ)]
        self._dead_letters_in = names[-1]
        self._consumer = KafkaConsumer(
            bootstrap_servers=deployment.env[KAFKA],
            enable_auto_commit=False,
            fetch_max_wait_ms=20,
            max_partition_fetch_bytes=8_000_000,
        )
        self._partitions = [
            TopicPartition(name, number) for name in names for number in self._consumer.partitions_for_topic(name) or ()
        ]
        self._consumer.assign(self._partitions)
        self._consumer.seek_to_beginning(*self._partitions)
        self.ids: list[str] = []
        self.dead_letters: list[bytes] = []

    def read(self) -> None:
        ends = self._consumer.end_offsets(self._partitions)
        while any(self._consumer.position(partition) < end for partition, end in ends.items()):
            for batch in self._consumer.poll(timeout_ms=200).values():
                for record in batch:
                    if record.topic == self._dead_letters_in:
                        self.dead_letters.append(record.value)
                    else:
                        self.ids.append(codec.decode(record.value).event_id)

    def close(self) -> None:
        self._consumer.close()


class Site:
    """A Kafka that can fall silent, and every process of every channel."""

    def __init__(self, deployment: Deployment, folder: Path, channels: Mapping[str, Channel]) -> None:
        self.deployment, self.folder, self.channels = deployment, folder, channels
        self.processes = list({id(each.process): each.process for each in channels.values()}.values())
        self.tail = Tail(deployment)
        self._numbers = 0

    def open(self) -> None:
        self._all("open", self)
        self.start()
        self._all("begin")

    def start(self) -> None:
        for process in self.processes:
            process.launch(self)
        for process in self.processes:
            process.wait()

    def kill(self) -> None:
        for process in self.processes:
            process.kill()

    def close(self) -> None:
        for process in self.processes:
            process.ask_to_stop()
        for process in self.processes:
            process.stop()
        for channel in self.channels.values():
            channel.close()
        self.tail.close()

    def number(self) -> int:
        """Of a contact that nobody has seen yet."""
        self._numbers += 1
        return self._numbers

    def _all(self, step: str, *arguments: object) -> None:
        """Side by side: most of it is waiting for processes to start."""
        problems: list[BaseException] = []

        def run(channel: Channel) -> None:
            try:
                getattr(channel, step)(*arguments)
            except BaseException as problem:
                problems.append(problem)

        together([threading.Thread(target=run, args=(each,)) for each in self.channels.values()])
        if problems:
            raise problems[0]


def together(threads: list[threading.Thread], seconds: float = 240.0) -> None:
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
        assert not thread.is_alive(), f"it did not end within {seconds:g} s"


def channels() -> dict[str, Channel]:
    """Every channel, by name."""
    modules = plugins.modules("tests.support.producers", "conforming_")
    found = [each for module in modules for each in module.CHANNELS]
    assert len({each.name for each in found}) == len(found)
    return {each.name: each for each in found}
