"""What really is in Kafka, for tests: every record of a topic, and the balance of the producers' counters."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from prometheus_client import REGISTRY

from deploy.local.process import free_ports
from schemas import codec
from schemas.dead_letter import headers as dead_letter_headers
from schemas.topics import CONTACT_EVENTS, ROUTING
from tests.conftest import Deployment
from tests.support.timeouts import TIMEOUT_SECONDS, eventually

__all__ = [
    "DLQ",
    "EVENTS",
    "PRESENCE",
    "Counts",
    "DeadLetter",
    "count",
    "dead_letters",
    "events",
    "eventually",
    "free_port",
    "logged",
    "producer",
    "records",
]

EVENTS, DLQ, PRESENCE = CONTACT_EVENTS.name, CONTACT_EVENTS.dlq, ROUTING.name


@dataclass(frozen=True)
class DeadLetter:
    """A dead letter as it lies in Kafka."""

    raw: bytes
    headers: dict[str, str]


def records(deployment: Deployment, topic: str) -> list[Any]:
    """Every record of a topic at this moment, by partition and offset."""
    name = deployment.namespace + topic
    consumer = KafkaConsumer(
        bootstrap_servers=deployment.env["DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS"],
        enable_auto_commit=False,
        fetch_max_wait_ms=50,
        max_partition_fetch_bytes=8_000_000,
    )
    try:
        partitions = [TopicPartition(name, number) for number in sorted(consumer.partitions_for_topic(name) or ())]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        found: list[Any] = []
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            for batch in consumer.poll(timeout_ms=500).values():
                found += batch
        return sorted(found, key=lambda record: (record.partition, record.offset))
    finally:
        consumer.close()


def events(deployment: Deployment, topic: str = EVENTS) -> list[Any]:
    return [codec.decode(record.value) for record in records(deployment, topic)]


def dead_letters(deployment: Deployment) -> list[DeadLetter]:
    return [DeadLetter(record.value, dead_letter_headers.read(record.headers)) for record in records(deployment, DLQ)]


def count(metric: str, **labels: str) -> float:
    """The sum of a counter's samples of this process with these labels."""
    return sum(
        sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name == f"deskstream_contacts_{metric}_total" and labels.items() <= sample.labels.items()
    )


@dataclass(frozen=True)
class Counts:
    """received, published, duplicate, dead-lettered so far in this process."""

    received: float
    published: float
    duplicate: float
    dead_lettered: float

    @classmethod
    def now(cls) -> Counts:
        return cls(*(count(name) for name in ("received", "published", "duplicate", "dead_lettered")))

    def since(self, before: Counts) -> tuple[int, int, int, int]:
        return (
            int(self.received - before.received),
            int(self.published - before.published),
            int(self.duplicate - before.duplicate),
            int(self.dead_lettered - before.dead_lettered),
        )

    @property
    def balanced(self) -> bool:
        return self.received == self.published + self.duplicate + self.dead_lettered


def free_port() -> int:
    """A port that nobody listens on at this moment, and that no outgoing connection is given."""
    return free_ports(1)[0]


@contextmanager
def producer(deployment: Deployment, *arguments: str, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """A real producer process; stopped with SIGTERM at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "producers", *arguments],
        env={**os.environ, **deployment.env, "DESKSTREAM_LOG_FORMAT": "json", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
        process.communicate()


def logged(process: subprocess.Popen[bytes], pattern: str, seconds: float = TIMEOUT_SECONDS) -> re.Match[str]:
    """Wait until a line on the process's stderr matches."""
    assert process.stderr is not None
    deadline, seen = time.monotonic() + seconds, b""
    while time.monotonic() < deadline:
        if match := re.search(pattern, seen.decode(errors="replace")):
            return match
        if select.select([process.stderr], [], [], 0.2)[0]:
            chunk = os.read(process.stderr.fileno(), 65536)
            seen += chunk
            if not chunk and process.poll() is not None:
                break
    raise AssertionError(f"{pattern!r} was not logged:\n{seen.decode(errors='replace')}")
