"""Fixtures of the tests of the sinks: settings, a migrated database, the topics of a test, processes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.codec import encode, header
from schemas.settings import SinkSettings
from sinks.clickhouse import connection, migrate
from sinks.clickhouse.avro_file import shapes
from sinks.clickhouse.inserter import SETTINGS
from sinks.clickhouse.table import tables
from tests.support.sinks.deployment import Ask, Log, Outcome, Processes


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


@pytest.fixture
def log(settings: SinkSettings) -> Log:
    return Log(settings)


@pytest.fixture
def processes(deployment: Any, tmp_path: Path) -> Iterator[Processes]:
    ours = Processes(deployment.env, tmp_path)
    yield ours
    for process in ours.started:
        if process.poll() is None:
            process.kill()
            process.wait()


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
