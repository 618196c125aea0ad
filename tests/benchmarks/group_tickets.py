"""The whole tickets agent on one process, beside the same pure steps on Quix Streams, plain Faust and bare aiokafka."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from clickhouse_connect import get_client

from schemas import codec
from schemas.facts import Outbound
from schemas.settings import Settings
from schemas.topics import CONTACT_EVENTS, OUTBOUND, TICKET_FACTS
from tests.benchmarks.corpus import messages
from tests.benchmarks.figures import Figure
from tests.benchmarks.harness import Bench, console, percentile, preload, rate

DESCRIPTION = "contacts/s of the whole tickets agent beside Quix Streams, Faust take() and aiokafka; delays at 500/s"
CONTACTS = 40_000
FEWER_FOR_FAUST = 4_000
LATENCY_RATE, LATENCY_SECONDS, WARM_UP_SECONDS = 500, 50, 20
CONTENDERS = {
    "ours": "tests.benchmarks.contenders.ours",
    "quix": "tests.benchmarks.contenders.quix",
    "faust_take": "tests.benchmarks.contenders.faust_take",
    "aiokafka": "tests.benchmarks.contenders.bare_aiokafka",
}


def run(bench: Bench) -> list[Figure]:
    rates = {name: _throughput(bench, name, module) for name, module in CONTENDERS.items()}
    figures = [
        Figure("tickets_per_s", round(rates["ours"]), "contacts/s"),
        Figure("tickets_quix_per_s", round(rates["quix"]), "contacts/s"),
        Figure("tickets_faust_take_per_s", round(rates["faust_take"]), "contacts/s"),
        Figure("tickets_aiokafka_per_s", round(rates["aiokafka"]), "contacts/s"),
        Figure("tickets_vs_quix", round(rates["ours"] / rates["quix"], 3), "ratio", at_least=1.0),
        Figure("tickets_vs_faust_take", round(rates["ours"] / rates["faust_take"], 2), "ratio", at_least=5.0),
        Figure("tickets_vs_aiokafka", round(rates["ours"] / rates["aiokafka"], 3), "ratio"),
    ]
    return figures + _delays(bench)


def _throughput(bench: Bench, name: str, module: str) -> float:
    count = FEWER_FOR_FAUST if name == "faust_take" else CONTACTS
    settings = bench.namespace(name)
    preload(
        settings,
        CONTACT_EVENTS.name,
        ((event.customer_tag, event) for event in messages(count, at=time.time_ns() // 1000)),
    )
    console.print(f"[dim]{name}: {count} contacts …[/]")
    with bench.process(f"worker_{name}", settings, ["-m", module]):
        measured = rate(settings, TICKET_FACTS.name, count)
    console.print(f"{name}: {measured:,.0f} contacts/s")
    return measured


def _delays(bench: Bench) -> list[Figure]:
    """From produced to acknowledgement readable in Kafka, and to the row visible in ClickHouse."""
    settings = bench.namespace("delay")
    database = "bench_" + settings.namespace.replace("-", "_").strip("_")
    client = get_client(dsn=bench.clickhouse_url)
    client.command(f"CREATE DATABASE {database}")
    env = {"DESKSTREAM_CLICKHOUSE_DATABASE": database}
    console.print(f"[dim]delays at {LATENCY_RATE} contacts/s for {LATENCY_SECONDS} s …[/]")
    with (
        bench.process("migrate", settings, ["-m", "sinks", "migrate"], **env) as migration,
    ):
        migration.wait(60)
    with (
        bench.process("worker", settings, ["-m", "stream_processors"]),
        bench.process("sink_clickhouse", settings, ["-m", "sinks", "clickhouse"], **env),
    ):
        acknowledgements, rows = asyncio.run(_measure(settings, bench.clickhouse_url, database))
    client.command(f"DROP DATABASE {database}")
    return [
        Figure("ack_p50_ms", round(percentile(acknowledgements, 0.5), 1), "ms"),
        Figure("ack_p99_ms", round(percentile(acknowledgements, 0.99), 1), "ms", at_most=250),
        Figure("row_p50_ms", round(percentile(rows, 0.5), 1), "ms"),
        Figure("row_p99_ms", round(percentile(rows, 0.99), 1), "ms"),
    ]


class Pace:
    """What was sent when, what was acknowledged and what is visible; all moments from one clock, in seconds."""

    def __init__(self) -> None:
        self.waiting: dict[str, float] = {}  # customer tag → when the message that opens their ticket was sent
        self.unseen: dict[int, deque[tuple[int, float]]] = defaultdict(deque)  # partition → (offset, when sent)
        self.acknowledged_ms: list[float] = []
        self.visible_ms: list[float] = []

    def outbound(self, message: Outbound) -> None:
        if (began := self.waiting.pop(message.customer_tag, None)) is not None:
            self.acknowledged_ms.append((time.perf_counter() - began) * 1000)

    def rows(self, newest: dict[int, int]) -> None:
        """Facts of a partition become visible in order, so the newest visible version covers all before it."""
        now = time.perf_counter()
        for partition, version in newest.items():
            queue = self.unseen[partition]
            while queue and queue[0][0] <= version:
                self.visible_ms.append((now - queue.popleft()[1]) * 1000)

    @property
    def finished(self) -> bool:
        return not self.waiting and not any(self.unseen.values())


async def _measure(settings: Settings, url: str, database: str) -> tuple[list[float], list[float]]:
    """Delays in milliseconds of the contacts after the warm-up."""
    events = list(messages(LATENCY_RATE * LATENCY_SECONDS + 1, seed=11, at=time.time_ns() // 1000))
    ready = [(event.customer_tag, event.customer_tag.encode(), codec.encode(event)) for event in events]
    topic = settings.topic(CONTACT_EVENTS)
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers, acks="all", linger_ms=5)
    consumer = AIOKafkaConsumer(
        settings.topic(OUTBOUND),
        bootstrap_servers=settings.kafka_bootstrap_servers,
        auto_offset_reset="earliest",
        fetch_min_bytes=65_536,
        fetch_max_wait_ms=10,
    )
    client = await asyncio.to_thread(get_client, dsn=url, database=database)
    await producer.start()
    await consumer.start()
    tag, key, value = ready.pop()
    await producer.send_and_wait(topic, value, key=key)
    await asyncio.wait_for(consumer.getone(), 60)  # the worker is up
    pace, known = Pace(), {tag}

    async def watch_outbound() -> None:
        async for record in consumer:
            pace.outbound(codec.decode(record.value))

    async def watch_rows() -> None:
        while True:
            answer = await asyncio.to_thread(
                client.query, "SELECT partition, max(version) FROM contacts GROUP BY partition"
            )
            pace.rows(dict(answer.result_rows))
            await asyncio.sleep(0.2)

    watchers = [asyncio.create_task(watch_outbound()), asyncio.create_task(watch_rows())]
    began = time.perf_counter()
    for number, (tag, key, value) in enumerate(ready):
        ahead = began + number / LATENCY_RATE - time.perf_counter()
        if ahead > 0:
            await asyncio.sleep(ahead)
        measured, now = number >= LATENCY_RATE * WARM_UP_SECONDS, time.perf_counter()
        if measured and tag not in known:
            pace.waiting[tag] = now
        known.add(tag)
        written = await producer.send(topic, value, key=key)
        if measured:
            written.add_done_callback(lambda done, now=now: _sent(pace, done.result(), now))
    await producer.flush()
    for _ in range(200):
        if pace.finished:
            break
        await asyncio.sleep(0.1)
    for watcher in watchers:
        watcher.cancel()
    await producer.stop()
    await consumer.stop()
    if not pace.finished:
        console.print(
            f"[red]not acknowledged {len(pace.waiting)}, not visible {sum(map(len, pace.unseen.values()))}[/]"
        )
    return pace.acknowledged_ms, pace.visible_ms


def _sent(pace: Pace, place: Any, at: float) -> None:
    pace.unseen[place.partition].append((place.offset, at))
