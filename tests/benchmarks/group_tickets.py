"""The whole tickets agent on one process, beside the same pure steps on Quix Streams, plain Faust and bare aiokafka.

Single runs swing: the same code gave ratios from 1.3 to 2.2. So all contenders run once a round, each round begins with
another one, and the figure is the median of the ratios of the rounds.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from functools import partial
from statistics import median
from typing import Any

from clickhouse_connect import get_client
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas import admin, codec
from schemas.facts import Outbound
from schemas.settings import Settings
from schemas.topics import CONTACT_EVENTS, OUTBOUND, TICKET_FACTS
from tests.benchmarks.corpus import messages
from tests.benchmarks.figures import Figure
from tests.benchmarks.harness import Bench, Ends, console, partition_of, percentile, preload, rate

DESCRIPTION = "contacts/s of the whole tickets agent beside Quix Streams, Faust take() and aiokafka; delays at 500/s"
ROUNDS = 3
CONTACTS = 20_000
FEWER_FOR_FAUST = 3_000
CONTACTS_OF_MANY_TICKETS, MANY_TICKETS = 180_000, 100_000
LATENCY_RATE, LATENCY_SECONDS, WARM_UP_SECONDS = 500, 50, 20
CONTENDERS = {
    "ours": "tests.benchmarks.contenders.ours",
    "quix": "tests.benchmarks.contenders.quix",
    "faust_take": "tests.benchmarks.contenders.faust_take",
    "aiokafka": "tests.benchmarks.contenders.bare_aiokafka",
}


def run(bench: Bench) -> list[Figure]:
    rounds = [_round(bench, number) for number in range(ROUNDS)]
    rates = {name: round(median(each[name] for each in rounds)) for name in CONTENDERS}
    figures = [
        Figure("tickets_per_s", rates["ours"], "contacts/s"),
        Figure("tickets_quix_per_s", rates["quix"], "contacts/s"),
        Figure("tickets_faust_take_per_s", rates["faust_take"], "contacts/s"),
        Figure("tickets_aiokafka_per_s", rates["aiokafka"], "contacts/s"),
        Figure("tickets_vs_quix", _ratio(rounds, "quix"), "ratio", at_least=1.5),
        Figure("tickets_vs_faust_take", _ratio(rounds, "faust_take"), "ratio", at_least=6.0),
        Figure("tickets_vs_aiokafka", _ratio(rounds, "aiokafka"), "ratio", at_least=0.95),
    ]
    return figures + _delays(bench) + _memory(bench)


def _round(bench: Bench, number: int) -> dict[str, float]:
    """Contacts per second of every contender, one after another; round `number` decides who begins."""
    names = list(CONTENDERS)
    begin = number % len(names)
    return {
        name: _throughput(
            bench,
            name,
            CONTENDERS[name],
            FEWER_FOR_FAUST if name == "faust_take" else CONTACTS,
            f"round {number + 1}: ",
        )
        for name in names[begin:] + names[:begin]
    }


def _ratio(rounds: list[dict[str, float]], peer: str) -> float:
    return round(median(each["ours"] / each[peer] for each in rounds), 3)


def _throughput(bench: Bench, name: str, module: str, count: int, label: str = "") -> float:
    settings = bench.namespace(name)
    preload(
        settings,
        CONTACT_EVENTS.name,
        ((event.customer_tag, event) for event in messages(count, at=time.time_ns() // 1000)),
    )
    console.print(f"[dim]{label}{name}: {count} contacts …[/]")
    with bench.process(f"worker_{name}", settings, ["-m", module]):
        measured = rate(settings, TICKET_FACTS.name, count)
    if count >= CONTACTS_OF_MANY_TICKETS:
        _require_open_tickets(settings)
    admin.delete_topics(settings, wait=False)
    console.print(f"{label}{name}: {measured:,.0f} contacts/s")
    return measured


def _require_open_tickets(settings: Settings) -> None:
    """Each ticket that opened was acknowledged once, and nobody was there to close one."""
    acknowledged = Ends(settings, OUTBOUND.name)
    opened = acknowledged.total()
    acknowledged.close()
    if opened < MANY_TICKETS:
        raise RuntimeError(f"only {opened} tickets are open")


def _memory(bench: Bench) -> list[Figure]:
    """The peak of a worker that comes to hold 100,000 open tickets while it works as fast as it can."""
    name = "ours_with_100k_open_tickets"
    _throughput(bench, name, CONTENDERS["ours"], CONTACTS_OF_MANY_TICKETS)
    return [Figure("worker_100k_tickets_mb", round(bench.memory[f"worker_{name}"]), "MB", at_most=400)]


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
        acknowledgements, rows = _measure(settings, bench.clickhouse_url, database)
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


def _measure(settings: Settings, url: str, database: str) -> tuple[list[float], list[float]]:
    """Delays in milliseconds of the contacts after the warm-up.

    librdkafka sends and reads, because what measures must not take the cores of what is measured. Each contact counts
    from the moment it was due, so that a sender that falls behind cannot hide a delay.
    """
    events = list(messages(LATENCY_RATE * LATENCY_SECONDS + 1, seed=11, at=time.time_ns() // 1000))
    ready = [(event.customer_tag, event.customer_tag.encode(), codec.encode(event)) for event in events]
    first_tag, key, value = ready.pop()
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap_servers, "acks": "all", "linger.ms": 5})
    stop, pace, known = threading.Event(), Pace(), {first_tag}
    up = threading.Event()
    watchers = [
        threading.Thread(target=_watch_outbound, args=(settings, pace, up, stop)),
        threading.Thread(target=_watch_rows, args=(get_client(dsn=url, database=database), pace, stop)),
    ]
    for watcher in watchers:
        watcher.start()
    topic = settings.topic(CONTACT_EVENTS)
    producer.produce(topic, value, key, partition=partition_of(key))
    producer.flush()
    try:
        if not up.wait(60):
            raise TimeoutError("the worker acknowledged nothing in 60 s")
        began = time.perf_counter()
        for number, (tag, key, value) in enumerate(ready):
            due = began + number / LATENCY_RATE
            while (ahead := due - time.perf_counter()) > 0:
                producer.poll(0)
                time.sleep(ahead)
            report = None
            if number >= LATENCY_RATE * WARM_UP_SECONDS:
                if tag not in known:
                    pace.waiting[tag] = due
                report = partial(_sent, pace, due)
            known.add(tag)
            producer.produce(topic, value, key, partition=partition_of(key), on_delivery=report)
        producer.flush()
        for _ in range(200):
            if pace.finished:
                break
            time.sleep(0.1)
    finally:
        stop.set()
        for watcher in watchers:
            watcher.join()
    if not pace.finished:
        console.print(
            f"[red]not acknowledged {len(pace.waiting)}, not visible {sum(map(len, pace.unseen.values()))}[/]"
        )
    return pace.acknowledged_ms, pace.visible_ms


def _watch_outbound(settings: Settings, pace: Pace, up: threading.Event, stop: threading.Event) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "group.id": settings.group("bench"),
            "fetch.min.bytes": 65_536,
            "fetch.wait.max.ms": 10,
        }
    )
    topic = settings.topic(OUTBOUND)
    consumer.assign([TopicPartition(topic, number, 0) for number in range(settings.partitions)])
    while not stop.is_set():
        for record in consumer.consume(100, timeout=0.01):
            up.set()
            if not record.error():
                pace.outbound(codec.decode(record.value()))
    consumer.close()


def _watch_rows(client: Any, pace: Pace, stop: threading.Event) -> None:
    while not stop.wait(0.2):
        answer = client.query("SELECT partition, max(version) FROM contacts GROUP BY partition")
        pace.rows(dict(answer.result_rows))


def _sent(pace: Pace, due: float, error: Any, message: Any) -> None:
    if error is not None:
        raise RuntimeError(f"not sent: {error}")
    pace.unseen[message.partition()].append((message.offset(), due))
