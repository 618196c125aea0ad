"""Reads and writes the Kafka of one test, and runs sinks as processes beside it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from schemas.codec import decode, encode
from schemas.dead_letter import headers as dead_letter_headers
from schemas.dead_letter import reader
from schemas.settings import SinkSettings
from schemas.topics import DELIVERIES, TOPIC_OF, Topic

Ask = Callable[[str], list[dict[str, Any]]]
ROOT = Path(__file__).parents[3]


@dataclass
class Log:
    """Reads and writes the topics of one test."""

    settings: SinkSettings

    def write(self, records: Sequence[Any], partition: int | None = 0, headers: Any = ()) -> None:
        """Each record to its topic, keyed by its customer tag."""
        self.write_raw(
            [(TOPIC_OF[type(r)], getattr(r, "customer_tag", "").encode(), encode(r)) for r in records],
            partition,
            headers,
        )

    def write_raw(
        self, records: Sequence[tuple[Topic, bytes | None, bytes]], partition: int | None = 0, headers: Any = ()
    ) -> None:
        async def send() -> None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self.settings.kafka_bootstrap_servers, acks="all", enable_idempotence=True
            )
            await producer.start()
            try:
                sent = [
                    await producer.send(
                        self.settings.topic(topic), value, key=key, partition=partition, headers=list(headers)
                    )
                    for topic, key, value in records
                ]
                await asyncio.gather(*sent)
            finally:
                await producer.stop()

        asyncio.run(send())

    def read(self, topic: Topic) -> list[Any]:
        """Every record of a topic now, in order within its partition."""

        async def fetch() -> list[Any]:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self.settings.kafka_bootstrap_servers, auto_offset_reset="earliest"
            )
            await consumer.start()
            try:
                places = await reader.partitions(consumer, [self.settings.topic(topic)])
                ends = await consumer.end_offsets(places)
                found: list[Any] = []
                while any([await consumer.position(place) < ends[place] for place in places]):
                    for records in (await consumer.getmany(timeout_ms=100)).values():
                        found += records
                return found
            finally:
                await consumer.stop()

        return asyncio.run(fetch())

    def dead_letters(self, topic: Topic) -> list[tuple[dict[str, str], bytes]]:
        return [(dead_letter_headers.read(record.headers), record.value) for record in self.read(topic)]


@dataclass
class Processes:
    """Sinks as processes of their own; whatever a test leaves running is killed."""

    env: dict[str, str]
    folder: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *arguments: str, **settings: Any) -> subprocess.Popen[bytes]:
        env = os.environ | self.env | {"DESKSTREAM_SINK_BATCH_SECONDS": "0.1"}
        env |= {f"DESKSTREAM_{name.upper()}": str(value) for name, value in settings.items()}
        with (self.folder / f"process-{len(self.started)}.log").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "sinks", *arguments], cwd=ROOT, env=env, stdout=output, stderr=output
            )
        self.started.append(process)
        return process

    def run(self, *arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        env = os.environ | self.env | {f"DESKSTREAM_{name.upper()}": str(value) for name, value in settings.items()}
        return subprocess.run(
            [sys.executable, "-m", "sinks", *arguments], cwd=ROOT, env=env, capture_output=True, text=True, timeout=180
        )

    def output(self, process: subprocess.Popen[bytes]) -> str:
        return (self.folder / f"process-{self.started.index(process)}.log").read_text()


@dataclass
class Outcome:
    """What a command returned and wrote, named as `subprocess` names it."""

    returncode: int
    stdout: str
    stderr: str


def ended(process: Any) -> int:
    """Sends SIGTERM; returns the exit code."""
    process.send_signal(signal.SIGTERM)
    return int(process.wait(60))


def delivery_facts(log: Log) -> list[tuple[int, Any]]:
    """Returns `(partition, fact)` of everything on `deliveries`."""
    return [(record.partition, decode(record.value)) for record in log.read(DELIVERIES)]
