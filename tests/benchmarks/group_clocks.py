"""SLA clocks at size: a million open tickets that nobody is late for, their memory, and how soon they are back."""

from __future__ import annotations

import asyncio
import gc
import random
import time
import urllib.request
from collections.abc import Iterator
from datetime import date
from zoneinfo import ZoneInfo

import psutil
from aiokafka import AIOKafkaProducer

from schemas.calendars import Calendar, Era
from schemas.identity import customer_tag
from schemas.settings import Settings
from schemas.topics import PARTITIONS, changelog
from stream_processors.rules import ruleset
from stream_processors.runtime.state_codec import StateCodec
from stream_processors.runtime.timers import Timers
from stream_processors.tickets.processor import TicketsProcessor
from tests.benchmarks.corpus import messages
from tests.benchmarks.figures import Figure
from tests.benchmarks.harness import Bench, console, free_port, partition_of
from tests.support.memory_worker import MemoryWorker

DESCRIPTION = "a million open tickets: deadline work when nothing is due, memory, recovery; calendar arithmetic"
TICKETS = 1_000_000
TEMPLATES = 2_000
POLLS_PER_SECOND = 10
HOUR = 3_600_000_000
QUESTIONS = 50_000


def run(bench: Bench) -> list[Figure]:
    return [*_deadlines(), *_calendars(), *_recovery(bench)]


def _deadlines() -> list[Figure]:
    """One partition with all of them, due within three days, and none now."""
    dice, now = random.Random(7), time.time_ns() // 1000
    gc.collect()
    process = psutil.Process()
    before, deadlines = process.memory_info().rss, Timers()
    for number in range(TICKETS):
        deadlines.set(b"c%012d" % number, now + HOUR + dice.randrange(72 * HOUR))
    gc.collect()
    resident = (process.memory_info().rss - before) / TICKETS
    began = time.perf_counter()
    for poll in range(10 * POLLS_PER_SECOND):
        assert not deadlines.due(now + poll * 1_000_000 // POLLS_PER_SECOND, 1000)
    idle_ms = (time.perf_counter() - began) / 10 * 1000
    return [
        Figure("idle_tick_ms", round(idle_ms, 4), "ms per s", at_most=1),
        Figure("bytes_per_open_ticket", round(resident), "bytes resident", at_most=200),
    ]


def _calendars() -> list[Figure]:
    hours = (((9 * 3600, 12 * 3600), (13 * 3600, 18 * 3600)),) * 5 + ((), ())
    office = Calendar("office", "1", ZoneInfo("Europe/London"), (Era(date.min, hours, lambda day: False),))
    start = time.time_ns() // 1000
    office.business_micros(start, start + 9000 * HOUR)  # its years are computed once
    began = time.perf_counter()
    for number in range(QUESTIONS):
        office.business_micros(start + number * 1_000_003, start + number * 1_000_003 + 100 * HOUR)
    counted = (time.perf_counter() - began) / QUESTIONS
    began = time.perf_counter()
    for number in range(QUESTIONS):
        office.add_business(start + number * 1_000_003, 8 * HOUR)
    added = (time.perf_counter() - began) / QUESTIONS
    return [
        Figure("business_seconds_us", round(counted * 1e6, 2), "µs", at_most=10),
        Figure("add_business_us", round(added * 1e6, 2), "µs", at_most=10),
    ]


def _recovery(bench: Bench) -> list[Figure]:
    """A worker on a new host, and again on its own disk: how long until every state and every deadline is known."""
    settings = bench.namespace("recovery")
    states = _states()
    console.print(f"[dim]recovery: writing {TICKETS:,} states of {sum(map(len, states)) / len(states):,.0f} bytes …[/]")
    asyncio.run(_fill(settings, states))
    console.print("[dim]recovery: starting a worker with an empty directory …[/]")
    from_changelog = _seconds_until_ready(bench, settings)
    console.print("[dim]recovery: starting it again …[/]")
    from_disk = _seconds_until_ready(bench, settings)
    return [
        Figure("state_bytes_per_open_ticket", round(sum(map(len, states)) / len(states)), "bytes", at_most=2048),
        Figure("recovery_1m_tickets_s", round(from_changelog, 1), "s", at_most=30),
        Figure("restart_1m_tickets_s", round(from_disk, 1), "s", at_most=30),
    ]


def _seconds_until_ready(bench: Bench, settings: Settings) -> float:
    """From the start of the process until it has every state and deadline; then it ends without closing its store."""
    port, began = free_port(), time.monotonic()
    with bench.process("worker_1m_tickets", settings, ["-m", "stream_processors"], DESKSTREAM_METRICS_PORT=str(port)):
        while not _ready(port):
            if time.monotonic() - began > 300:
                raise TimeoutError("the worker was not ready in time")
            time.sleep(0.1)
        return time.monotonic() - began


def _states() -> list[bytes]:
    """The stored states of customers with an open ticket, as the fold leaves them."""
    processor = TicketsProcessor(ruleset.load())
    worker = MemoryWorker(processor)
    worker.feed(messages(TEMPLATES, at=time.time_ns() // 1000), sizes=[500] * TEMPLATES)
    codec = StateCodec(processor.kinds, processor.deadline)
    customers = [value for key, value in worker.store.items() if key[:1] == b"c" and codec.load(key, value).tickets]
    assert len(customers) > TEMPLATES // 4
    return customers


def _records(states: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    for number in range(TICKETS):
        yield b"c" + customer_tag(f"bench:{number}").encode(), states[number % len(states)]


async def _fill(settings: Settings, states: list[bytes]) -> None:
    """Write one state per ticket to the changelog, in the partition of its customer."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers, acks="all", max_batch_size=900_000, linger_ms=0
    )
    await producer.start()
    topic = changelog(settings.group("").rstrip("-"), "tickets").name
    batches = {number: producer.create_batch() for number in range(PARTITIONS)}
    now, sent = int(time.time() * 1000), []
    for key, value in _records(states):
        partition = partition_of(key[1:])
        if batches[partition].append(key=key, value=value, timestamp=now) is None:
            sent.append(await producer.send_batch(batches[partition], topic, partition=partition))
            batches[partition] = producer.create_batch()
            batches[partition].append(key=key, value=value, timestamp=now)
    for partition, batch in batches.items():
        sent.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*sent)
    await producer.stop()


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
