"""What the tests of the sinks share: examples of every fact, a migrated database, Kafka by hand, processes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from schemas.codec import encode, header
from schemas.dead_letter import headers as dead_letter_headers
from schemas.dead_letter import reader
from schemas.events import Micros
from schemas.settings import SinkSettings
from schemas.topics import TOPIC_OF, Topic
from sinks.clickhouse import connection, migrate
from sinks.clickhouse.avro_file import shapes
from sinks.clickhouse.inserter import SETTINGS
from sinks.clickhouse.table import tables
from tests.support.timeouts import eventually

ROOT = Path(__file__).parents[2]
Ask = Callable[[str], list[dict[str, Any]]]
NOW = 1_772_409_600_123_456  # 2026-03-02T00:00:00.123456Z


def example(record: type[Any], number: int = 0, **fields: Any) -> Any:
    """A record with every field set, all of them different and told apart by `number`; `fields` win."""
    hints = typing.get_type_hints(record, include_extras=True)
    values = {}
    for place, name in enumerate(record.__struct_fields__):
        values[name] = _value(hints[name], name, 1000 * number + place + 1)
    fixed = {"customer_tag": "ABCDEFGHIJKL", "version": number, "partition": 1}
    return record(**(values | {name: value for name, value in fixed.items() if name in values} | fields))


def sparse(record: type[Any], number: int = 0) -> Any:
    """A record with only its required fields."""
    required = [f.name for f in msgspec.structs.fields(record) if f.required]
    full = example(record, number)
    return record(**{name: getattr(full, name) for name in required})


def _value(hint: Any, name: str, number: int) -> Any:
    if hint is Micros:
        return NOW + number
    if hint is str:
        return f"{name} {number} – 田中 “é” 🙂\n\ttab"
    if hint is int:
        return number % 250
    if hint is float:
        return number + 0.1
    if hint is bool:
        return True
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        return [_value(arguments[0], name, number), "", _value(arguments[0], name, number + 1)]
    if origin is dict:
        return {"k": _value(arguments[1], name, number), "": ""}
    return _value(next(a for a in arguments if a is not type(None)), name, number)


@pytest.fixture
def settings(deployment: Any) -> SinkSettings:
    return deployment.settings(SinkSettings, sink_batch_seconds=0.1, sink_drain_seconds=10)


@pytest.fixture
def clickhouse(migrated: Any) -> Any:
    """The client of `migrated`, its tables empty."""
    for table in tables().values():
        migrated.command(f"TRUNCATE TABLE {table.name}")
    return migrated


@pytest.fixture
def insert(clickhouse: Any) -> Callable[..., None]:
    """Puts facts of any kinds into their tables, as the sink does."""

    def put(*records: Any) -> None:
        by_kind: dict[type, list[Any]] = {}
        for record in records:
            by_kind.setdefault(type(record), []).append(record)
        for kind, same in by_kind.items():
            shape = shapes()[header(kind)]
            block = shape.file([encode(record) for record in same])
            clickhouse.raw_insert(shape.table.name, shape.columns, block, settings=SETTINGS, fmt="Avro")

    return put


@pytest.fixture
def ask(clickhouse: Any) -> Ask:
    """The rows of a query, by column."""

    def rows(sql: str) -> list[dict[str, Any]]:
        answer = clickhouse.query(sql)
        return [dict(zip(answer.column_names, row, strict=True)) for row in answer.result_rows]

    return rows


@pytest.fixture
def rows(settings: SinkSettings) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    """Ask the deployment's database, whose tables are there."""
    client = connection.connect(settings)
    migrate.migrate(client)
    yield lambda sql: [tuple(row) for row in client.query(sql).result_rows]
    client.close()


@dataclass
class Log:
    """Kafka by hand, in the deployment of one test."""

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

    def letters(self, topic: Topic) -> list[tuple[dict[str, str], bytes]]:
        return [(dead_letter_headers.read(record.headers), record.value) for record in self.read(topic)]


@pytest.fixture
def log(settings: SinkSettings) -> Log:
    return Log(settings)


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


@pytest.fixture
def processes(deployment: Any, tmp_path: Path) -> Iterator[Processes]:
    ours = Processes(deployment.env, tmp_path)
    yield ours
    for process in ours.started:
        if process.poll() is None:
            process.kill()
            process.wait()


@dataclass
class Outcome:
    """What a command returned and wrote, named as `subprocess` names it."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """`python -m sinks ...` inside this process, which saves its start. `env` are its DESKSTREAM_ variables."""

    def call(env: dict[str, str], *arguments: str) -> Outcome:
        from sinks.__main__ import main

        for name, value in env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["sinks", *arguments])
        capsys.readouterr()
        code = main()
        written = capsys.readouterr()
        return Outcome(code, written.out, written.err)

    return call


until = eventually
