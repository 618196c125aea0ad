"""Live chat: 2,000 visitors on one process write lines; each is acknowledged once Kafka has it.

The visitors live in a process of their own (`chat_crowd.py`), so that what is measured is the server and not the
clients. A time is that from the moment at which a line was due to its acknowledgement. The requirement holds for the
first of the rates, which is a line of each visitor every four seconds; the others show how far it goes. Answers of the
desk are sent meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import Any

import psutil
from aiokafka import AIOKafkaProducer

from schemas import codec
from schemas.events import PresenceChanged
from schemas.settings import Settings
from schemas.topics import ROUTING
from tests.benchmarks.chat_crowd import ORIGIN, SOCKETS
from tests.benchmarks.figures import Figure
from tests.benchmarks.harness import ROOT, Bench, console, free_port, percentile

__all__ = ["figures"]

#: Lines per second of all visitors together.
RATE, HIGHER_RATES = 500, (1_000, 2_000)
MOST_MS = 100


def figures(bench: Bench, rates: tuple[int, ...] = (RATE, *HIGHER_RATES)) -> list[Figure]:
    """The times of the visitors, p50 and p99, in milliseconds; and what reaches an open socket from `outbound`."""
    settings = bench.namespace("chat")
    port = free_port()
    environment = {
        "DESKSTREAM_CHAT_PORT": str(port),
        "DESKSTREAM_CHAT_SECRETS": "bench",
        "DESKSTREAM_CHAT_ORIGINS": ORIGIN,
        "DESKSTREAM_CHAT_MAX_PER_ADDRESS": str(SOCKETS + 10),
        "DESKSTREAM_CHAT_STARTS_PER_MINUTE": str(SOCKETS * 60),
    }
    asyncio.run(_present(settings))
    url = f"ws://127.0.0.1:{port}/chat"
    with bench.process("chat", settings, ["-m", "producers", "chat"], **environment) as server:
        measured = _visitors(bench, settings, url, rates)
        used = psutil.Process(server.pid).cpu_times()
    console.print(f"chat: {measured['sockets']} sockets; the server took {used.user + used.system:.1f} s of CPU in all")
    found = [Figure("chat_sockets", measured["sockets"], "sockets", at_least=SOCKETS)]
    for run in measured["runs"]:
        found += _of(run, "" if run["rate"] == RATE else f"_at_{run['rate']}_per_s")
    return found


def _of(run: dict[str, Any], suffix: str) -> list[Figure]:
    acknowledged, heard = run["acknowledged"], run["heard"]
    console.print(
        f"chat at {run['rate']} lines/s: {len(acknowledged)} of {run['written']} lines acknowledged, {len(heard)} answers"
        f" heard; the load took {run['load_cores']:.2f} of a core and was {run['late'] * 1000:.0f} ms late at most"
    )
    if len(acknowledged) < run["written"]:
        raise RuntimeError(f"{run['written'] - len(acknowledged)} lines were never acknowledged")
    return [
        Figure(f"chat_p50_ms{suffix}", round(percentile(acknowledged, 0.50) * 1000, 1), "ms"),
        Figure(
            f"chat_p99_ms{suffix}",
            round(percentile(acknowledged, 0.99) * 1000, 1),
            "ms",
            at_most=None if suffix else MOST_MS,
        ),
        Figure(f"chat_heard_p99_ms{suffix}", round(percentile(heard, 0.99) * 1000, 1), "ms"),
    ]


async def _present(settings: Settings) -> None:
    """Somebody with room for everybody."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers, acks="all")
    await producer.start()
    now = time.time_ns() // 1000
    presence = PresenceChanged(
        event_id="present",
        occurred_at=now,
        received_at=now,
        customer_tag="",
        agent_id="mei",
        team="support",
        status="online",
        capacity={"chat": 10 * SOCKETS},
    )
    await producer.send_and_wait(settings.topic(ROUTING), codec.encode(presence), key=b"support")
    await producer.stop()


def _visitors(bench: Bench, settings: Settings, url: str, rates: tuple[int, ...]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.chat_crowd", url, *map(str, rates)],
        cwd=ROOT,
        env=bench.env(settings),
        capture_output=True,
        timeout=400,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode()[-2500:])
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured
