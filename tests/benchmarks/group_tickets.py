"""The whole tickets agent on one process, beside the same pure steps on Quix Streams, plain Faust and bare aiokafka."""

from __future__ import annotations

import asyncio
import time

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
LATENCY_RATE, LATENCY_SECONDS, WARM_UP_SECONDS = 500, 30, 5
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


async def _measure(settings: Settings, url: str, database: str) -> tuple[list[float], list[float]]:
    """Delays in milliseconds of the contacts after the warm-up."""
    total = LATENCY_RATE * LATENCY_SECONDS
    sent: dict[str, float] = {}
    warm: dict[str, float] = {}
    events = list(messages(total + 1, seed=11, at=time.time_ns() // 1000))
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers, acks="all", linger_ms=0)
    consumer = AIOKafkaConsumer(
        settings.topic(OUTBOUND), bootstrap_servers=settings.kafka_bootstrap_servers, auto_offset_reset="earliest"
    )
    await producer.start()
    await consumer.start()
    first = events.pop()
    await producer.send_and_wait(settings.topic(CONTACT_EVENTS), codec.encode(first), key=first.customer_tag.encode())
    await asyncio.wait_for(consumer.getone(), 60)  # the worker is up
    opened: dict[str, float] = {}  # customer tag → when its first message was sent
    acknowledged: list[float] = []
    visible: list[float] = []
    done = asyncio.Event()

    async def watch_outbound() -> None:
        async for record in consumer:
            now = time.perf_counter()
            outbound = codec.decode(record.value)
            if isinstance(outbound, Outbound) and (began := opened.pop(outbound.customer_tag, None)) is not None:
                acknowledged.append((now - began) * 1000)

    async def watch_rows() -> None:
        client = await asyncio.to_thread(get_client, dsn=url, database=database)
        seen: set[str] = set()
        while not done.is_set():
            answer = await asyncio.to_thread(
                client.query, "SELECT event_id FROM contacts WHERE received_at >= now64(6) - INTERVAL 20 SECOND"
            )
            now = time.perf_counter()
            for (name,) in answer.result_rows:
                if name not in seen:
                    seen.add(name)
                    if name in sent:
                        visible.append((now - sent[name]) * 1000)
            await asyncio.sleep(0.1)

    watchers = [asyncio.create_task(watch_outbound()), asyncio.create_task(watch_rows())]
    began = time.perf_counter()
    for number, event in enumerate(events):
        ahead = began + number / LATENCY_RATE - time.perf_counter()
        if ahead > 0:
            await asyncio.sleep(ahead)
        now = time.perf_counter()
        if number >= LATENCY_RATE * WARM_UP_SECONDS:
            sent[event.event_id] = now
            if event.customer_tag not in warm:
                opened[event.customer_tag] = now
        warm[event.customer_tag] = now
        await producer.send(settings.topic(CONTACT_EVENTS), codec.encode(event), key=event.customer_tag.encode())
    await producer.flush()
    for _ in range(100):
        if not opened and len(visible) >= len(sent):
            break
        await asyncio.sleep(0.1)
    done.set()
    await watchers[1]
    watchers[0].cancel()
    await producer.stop()
    await consumer.stop()
    if opened or len(visible) < len(sent):
        console.print(f"[red]without acknowledgement {len(opened)}, without row {len(sent) - len(visible)}[/]")
    return acknowledged, visible
