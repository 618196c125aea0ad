"""What every benchmark needs: a namespace on one broker, a preloaded log, a stopwatch on durable outputs, memory.

The stopwatch never trusts a contender: it reads the end offsets of an output topic, so a record counts when it is
durable in Kafka, whoever wrote it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psutil
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2
from kafka import KafkaConsumer, TopicPartition
from rich.console import Console

from deploy.local.stack import Stack
from schemas import admin, codec
from schemas.settings import Settings
from schemas.topics import PARTITIONS

ROOT = Path(__file__).parents[2]
console = Console(stderr=True)
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # its retries while a new topic gets its leaders


@dataclass
class Bench:
    """One run on one broker: where the servers are, and a directory that is removed at the end."""

    bootstrap: str
    clickhouse_url: str
    directory: Path
    memory: dict[str, float] = field(default_factory=dict)

    def namespace(self, name: str) -> Settings:
        """Topics of their own for one contender."""
        settings = Settings(kafka_bootstrap_servers=self.bootstrap, namespace=f"{name}-{uuid.uuid4().hex[:6]}-")
        admin.create_topics(settings)
        return settings

    def env(self, settings: Settings, **more: str) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "DESKSTREAM_NAMESPACE": settings.namespace,
            "DESKSTREAM_CLICKHOUSE_URL": self.clickhouse_url,
            "DESKSTREAM_STATE_DIR": str(self.directory / f"state-{settings.namespace}"),
            "DESKSTREAM_OUTBOX_DIR": str(self.directory / f"outbox-{settings.namespace}"),
            "DESKSTREAM_LOG_LEVEL": "warning",
            **more,
        }

    @contextlib.contextmanager
    def process(
        self, name: str, settings: Settings, arguments: list[str], **env: str
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A child process, its peak memory noted under `name`, its output in a log that is shown if it dies."""
        log = self.directory / f"{name}.log"
        with log.open("ab") as output:
            child = subprocess.Popen(
                [sys.executable, *arguments], cwd=ROOT, env=self.env(settings, **env), stdout=output, stderr=output
            )
        stop = threading.Event()
        watcher = threading.Thread(target=self._watch_memory, args=(name, child.pid, stop), daemon=True)
        watcher.start()
        try:
            yield child
            if child.poll() not in (None, 0):
                raise RuntimeError(f"{name} ended with {child.returncode}:\n{log.read_text()[:2500]}")
        finally:
            stop.set()
            child.terminate()
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                child.kill()

    def _watch_memory(self, name: str, pid: int, stop: threading.Event) -> None:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            while not stop.wait(0.5):
                self.memory[name] = max(self.memory.get(name, 0.0), process.memory_info().rss / 1e6)


@contextlib.contextmanager
def running() -> Iterator[Bench]:
    """One embedded stack (or the external servers of the environment) for the whole run."""
    directory = Path(tempfile.mkdtemp(prefix="deskstream-bench-"))
    try:
        with Stack(directory / "stack") as stack:
            yield Bench(stack.kafka_bootstrap_servers, stack.clickhouse_url, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def partition_of(key: bytes) -> int:
    """Where every Kafka client in its standard setting puts a key."""
    return int(murmur2(key) & 0x7FFFFFFF) % PARTITIONS


def preload(settings: Settings, topic: str, records: Iterable[tuple[str, msgspec.Struct]]) -> int:
    """Write records (key, record) to a topic in large batches; returns how many."""

    async def send() -> int:
        producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap_servers,
            acks="all",
            max_batch_size=400_000,
            enable_idempotence=True,
        )
        await producer.start()
        name, count, futures = settings.namespace + topic, 0, []
        open_batches: dict[int, Any] = {}
        now = int(time.time() * 1000)
        for key, record in records:
            raw, value = key.encode(), codec.encode(record)
            partition = partition_of(raw)
            batch = open_batches.get(partition) or open_batches.setdefault(partition, producer.create_batch())
            if batch.append(key=raw, value=value, timestamp=now) is None:
                futures.append(await producer.send_batch(batch, name, partition=partition))
                batch = open_batches[partition] = producer.create_batch()
                batch.append(key=raw, value=value, timestamp=now)
            count += 1
        for partition, batch in open_batches.items():
            futures.append(await producer.send_batch(batch, name, partition=partition))
        await asyncio.gather(*futures)
        await producer.stop()
        return count

    return asyncio.run(send())


class Ends:
    """End offsets of a topic, summed over its partitions."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._consumer = KafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers, group_id=None)
        self._partitions = [TopicPartition(settings.namespace + topic, number) for number in range(PARTITIONS)]

    def total(self) -> int:
        return sum(self._consumer.end_offsets(self._partitions).values())

    def close(self) -> None:
        self._consumer.close()


def rate(settings: Settings, topic: str, count: int, timeout_seconds: float = 300.0) -> float:
    """Records per second durable in `topic`, from the first that is seen until `count` are there.

    Start-up is not counted: the clock starts when the first records appear, and those are not counted either.
    """
    ends = Ends(settings, topic)
    give_up = time.monotonic() + timeout_seconds
    try:
        while (first := ends.total()) == 0:
            _wait(give_up, topic)
        began = time.monotonic()
        while (seen := ends.total()) < count:
            _wait(give_up, topic)
        return (seen - first) / (time.monotonic() - began)
    finally:
        ends.close()


def _wait(give_up: float, topic: str) -> None:
    if time.monotonic() > give_up:
        raise TimeoutError(f"{topic} did not fill up in time")
    time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def percentile(values: list[float], share: float) -> float:
    """The nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
