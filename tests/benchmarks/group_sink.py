"""The ClickHouse sink, from facts in Kafka to visible rows, beside a bare columnar insert of the same rows."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator
from typing import Any

from clickhouse_connect import get_client
from prometheus_client.parser import text_string_to_metric_families

from schemas.facts import Fact
from schemas.settings import Settings
from schemas.topics import TOPIC_OF
from sinks.clickhouse.table import tables
from tests.benchmarks.corpus import messages
from tests.benchmarks.figures import Figure
from tests.benchmarks.harness import Bench, console, free_port, preload

DESCRIPTION = "rows/s of the ClickHouse sink beside a bare clickhouse-connect columnar insert of the same rows"
CONTACTS = 20_000
BARE_BLOCK_ROWS = 50_000


def run(bench: Bench) -> list[Figure]:
    facts = list(_facts())
    console.print(f"[dim]sink: {len(facts)} facts of {CONTACTS} contacts …[/]")
    sink = _sink(bench, facts)
    console.print(f"sink: {sink:,.0f} rows/s")
    bare = _bare(bench, facts)
    console.print(f"bare insert: {bare:,.0f} rows/s")
    return [
        Figure("sink_rows_per_s", round(sink), "rows/s"),
        Figure("bare_insert_rows_per_s", round(bare), "rows/s"),
        Figure("sink_vs_bare_insert", round(sink / bare, 3), "ratio", at_least=0.5),
    ]


def _facts() -> Iterator[Fact]:
    """What the tickets agent concludes from the corpus, as the sink finds it in Kafka."""
    from stream_processors.rules import ruleset
    from stream_processors.tickets.processor import TicketsProcessor
    from tests.support.memory_worker import MemoryWorker

    worker = MemoryWorker(TicketsProcessor(ruleset.load()))
    worker.feed(messages(CONTACTS, at=time.time_ns() // 1000), sizes=[5000] * 100)
    kinds = {table.record for table in tables().values()}
    return (record for record in worker.records() if type(record) in kinds)


def _database(bench: Bench, settings: Settings, name: str) -> Any:
    """An empty database with our tables."""
    database = f"bench_{name}"
    client = get_client(dsn=bench.clickhouse_url)
    client.command(f"CREATE DATABASE {database}")
    with bench.process(
        "migrate", settings, ["-m", "sinks", "migrate"], DESKSTREAM_CLICKHOUSE_DATABASE=database
    ) as child:
        child.wait(60)
    return get_client(dsn=bench.clickhouse_url, database=database)


def _sink(bench: Bench, facts: list[Fact]) -> float:
    settings = bench.namespace("sink")
    _database(bench, settings, "sink")
    by_topic: dict[str, list[Fact]] = {}
    for fact in facts:
        by_topic.setdefault(TOPIC_OF[type(fact)].name, []).append(fact)
    for topic, records in by_topic.items():
        preload(settings, topic, ((record.customer_tag, record) for record in records))
    port = free_port()
    with bench.process(
        "sink_clickhouse_full",
        settings,
        ["-m", "sinks", "clickhouse"],
        DESKSTREAM_CLICKHOUSE_DATABASE="bench_sink",
        DESKSTREAM_METRICS_PORT=str(port),
    ):
        give_up = time.monotonic() + 300
        while (first := _written(port)) == 0:
            _pause(give_up)
        began = time.monotonic()
        while (seen := _written(port)) < len(facts):
            _pause(give_up)
        return (seen - first) / (time.monotonic() - began)


def _written(port: int) -> float:
    """Rows that the sink says are in ClickHouse; a block counts when its insert was answered."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            families = text_string_to_metric_families(answer.read().decode())
    except OSError:
        return 0.0  # still starting
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "deskstream_rows_written_total"
    )


def _pause(give_up: float) -> None:
    if time.monotonic() > give_up:
        raise TimeoutError("the sink did not write all rows in time")
    time.sleep(0.02)


def _bare(bench: Bench, facts: list[Fact]) -> float:
    """Ready Python columns, one `insert(column_oriented=True)` per block: what the client can do at best."""
    client = _database(bench, bench.namespace("bare"), "bare")
    blocks = []
    for table in tables().values():
        rows = [table.row(fact) for fact in facts if type(fact) is table.record]
        for start in range(0, len(rows), BARE_BLOCK_ROWS):
            chunk = rows[start : start + BARE_BLOCK_ROWS]
            blocks.append((table, [[row[name] for row in chunk] for name in table.columns]))
    began = time.monotonic()
    for table, columns in blocks:
        client.insert(table.name, columns, column_names=list(table.columns), column_oriented=True)
    return len(facts) / (time.monotonic() - began)
