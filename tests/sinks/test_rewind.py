"""A ClickHouse that was lost is filled again from Kafka, and is what it was."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from sinks.clickhouse.table import tables
from tests.conftest import run_sql
from tests.support.sinks.deployment import Log, Processes
from tests.support.sinks.examples import example, sparse
from tests.support.timeouts import eventually

pytestmark = pytest.mark.stack


def test_a_dropped_database_is_rebuilt_equal_from_kafka(deployment: Any, log: Log, processes: Processes) -> None:
    def content() -> dict[str, str]:
        """Every table whole, as it counts: the highest version of each key."""
        return {table.name: ask(f"SELECT * FROM {table.name} FINAL ORDER BY ALL") for table in tables().values()}

    def ask(sql: str) -> str:
        return run_sql(f"{url}/?database={deployment.database}", sql)

    def fill() -> dict[str, str]:
        assert processes.run("migrate").returncode == 0
        sink = processes.start("clickhouse")
        eventually(lambda: "" not in content().values(), "a row in every table")
        before = processes.run("rewind")
        assert (before.returncode, "somebody still reads" in before.stderr) == (3, True)
        sink.send_signal(signal.SIGTERM)
        assert sink.wait(60) == 0, processes.output(sink)
        return content()

    url = deployment.env["DESKSTREAM_CLICKHOUSE_URL"]
    # Twice the same keys, the higher version last, and a second customer.
    log.write(
        [make(record, number) for record in tables() for number, make in enumerate((sparse, example, example), 1)]
    )
    there = fill()
    run_sql(url, f"DROP DATABASE {deployment.database}")
    done = processes.run("rewind", "--wait", "15")
    assert done.returncode == 0, done.stderr
    assert fill() == there


def test_rewinding_a_sink_that_never_ran_changes_nothing(processes: Processes) -> None:
    assert processes.run("rewind").returncode == 0
