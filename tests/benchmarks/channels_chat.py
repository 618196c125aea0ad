"""Live chat: 2,000 visitors on one process write lines; each is acknowledged once Kafka has it.

The visitors live in a process of their own, so that what is measured is the server and not the clients: run as
`python -m tests.benchmarks.channels_chat URL`, it opens the sockets, begins the conversations, writes lines evenly
spread over them, and prints the times from line to acknowledgement as JSON. Answers of the desk are sent meanwhile, so
that lines go in both directions.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import Any

import websockets.asyncio.client as client
from aiokafka import AIOKafkaProducer
from websockets.typing import Origin

from schemas import codec, identity
from schemas.events import PresenceChanged
from schemas.facts import Outbound
from schemas.settings import Settings
from schemas.topics import OUTBOUND, ROUTING
from tests.benchmarks.figures import Figure
from tests.benchmarks.harness import ROOT, Bench, console, free_port, percentile

__all__ = ["figures"]

SOCKETS, LINES_PER_SECOND, ANSWERS_PER_SECOND = 2_000, 200, 50
SECONDS, WARM_UP_SECONDS = 30.0, 5.0
#: So many visitors come at once; a real rush is slower.
ARRIVING = 50
ORIGIN = Origin("https://shop.example")


def figures(bench: Bench) -> list[Figure]:
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
    with bench.process("chat", settings, ["-m", "producers", "chat"], **environment):
        measured = _visitors(bench, settings, url)
    acknowledged, heard = measured["acknowledged"], measured["heard"]
    console.print(
        f"chat: {measured['sockets']} sockets, {len(acknowledged)} lines acknowledged, {len(heard)} answers heard"
    )
    if len(acknowledged) < measured["written"]:
        raise RuntimeError(f"{measured['written'] - len(acknowledged)} lines were never acknowledged")
    return [
        Figure("chat_sockets", measured["sockets"], "sockets", at_least=SOCKETS),
        Figure("chat_p50_ms", round(percentile(acknowledged, 0.50) * 1000, 1), "ms"),
        Figure("chat_p99_ms", round(percentile(acknowledged, 0.99) * 1000, 1), "ms", at_most=100),
        Figure("chat_heard_p99_ms", round(percentile(heard, 0.99) * 1000, 1), "ms"),
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


def _visitors(bench: Bench, settings: Settings, url: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.channels_chat", url],
        cwd=ROOT,
        env=bench.env(settings),
        capture_output=True,
        timeout=400,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode()[-2500:])
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


class Visitor:
    """One open socket with a conversation."""

    def __init__(self, number: int, crowd: Crowd) -> None:
        self.number, self.crowd = number, crowd
        self.tag = identity.customer_tag(f"email:visitor-{number}@example.org")
        self.socket: client.ClientConnection | None = None
        self.thread = ""
        self._written: dict[str, float] = {}
        self._begun = asyncio.Event()

    async def arrive(self) -> None:
        """Connect, once chat is on offer, and begin."""
        while True:
            self.socket = await client.connect(
                self.crowd.url, origin=ORIGIN, compression=None, proxy=None, ping_interval=None, open_timeout=60
            )
            if json.loads(await self.socket.recv())["available"]:
                break
            await self.socket.close()
            await asyncio.sleep(0.2)
        self.reading = asyncio.create_task(self._read())
        await self._send(
            type="start",
            visitor=f"visitor-{self.number:08}",
            conversation=f"conversation-{self.number:08}",
            line="begin",
            text="Where is my parcel?",
            email=f"visitor-{self.number}@example.org",
        )
        await asyncio.wait_for(self._begun.wait(), 60)

    async def write(self, line: str) -> None:
        self._written[line] = time.perf_counter()
        await self._send(type="line", line=line, text=f"Line {line}: it has not arrived yet, can you have a look?")

    async def _send(self, **frame: Any) -> None:
        assert self.socket is not None
        await self.socket.send(json.dumps(frame))

    async def _read(self) -> None:
        assert self.socket is not None
        async for message in self.socket:
            now = time.perf_counter()
            frame = json.loads(message)
            if frame["type"] == "welcome":
                self.thread = frame["conversation"]
            elif frame["type"] == "ack":
                self._begun.set()
                if (sent := self._written.pop(frame["line"], None)) is not None:
                    self.crowd.acknowledged.append(now - sent)
            elif frame["type"] == "said":
                self.crowd.heard.append(now - float(frame["text"]))
            elif frame["type"] == "problem":
                raise RuntimeError(f"visitor {self.number}: {message!r}")


class Crowd:
    """All visitors, and the desk that answers them."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.url, self.settings = url, settings
        self.acknowledged: list[float] = []
        self.heard: list[float] = []
        self.visitors = [Visitor(number, self) for number in range(SOCKETS)]

    async def run(self) -> dict[str, Any]:
        await self._arrive()
        await self._talk(WARM_UP_SECONDS)
        self.acknowledged.clear()
        self.heard.clear()
        written = await self._talk(SECONDS)
        return {
            "sockets": sum(visitor.socket is not None for visitor in self.visitors),
            "written": written,
            "acknowledged": self.acknowledged,
            "heard": self.heard,
        }

    async def _arrive(self) -> None:
        await self._until_it_listens()
        places = asyncio.Semaphore(ARRIVING)

        async def arrive(visitor: Visitor) -> None:
            async with places:
                await visitor.arrive()

        await asyncio.gather(*(arrive(visitor) for visitor in self.visitors))

    async def _until_it_listens(self) -> None:
        end = time.monotonic() + 60
        while True:
            try:
                async with client.connect(self.url, origin=ORIGIN, proxy=None):
                    return
            except OSError:
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(0.2)

    async def _talk(self, seconds: float) -> int:
        """Lines at an even pace, from one visitor after the other; returns how many, once all are acknowledged."""
        producer = AIOKafkaProducer(bootstrap_servers=self.settings.kafka_bootstrap_servers, acks="all")
        await producer.start()
        answering = asyncio.create_task(self._answer(producer))
        began, count = time.perf_counter(), round(seconds * LINES_PER_SECOND)
        for number in range(count):
            await asyncio.sleep(max(0.0, began + number / LINES_PER_SECOND - time.perf_counter()))
            await self.visitors[number * 7 % SOCKETS].write(f"{seconds:g}-{number}")
        answering.cancel()
        end = time.monotonic() + 30
        while any(visitor._written for visitor in self.visitors) and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await producer.stop()
        return count

    async def _answer(self, producer: AIOKafkaProducer) -> None:
        """Answers as the workers write them; the text is when they were sent."""
        began, number = time.perf_counter(), 0
        while True:
            await asyncio.sleep(max(0.0, began + number / ANSWERS_PER_SECOND - time.perf_counter()))
            visitor = self.visitors[number * 11 % SOCKETS]
            number += 1
            outbound = Outbound(
                customer_tag=visitor.tag,
                version=number,
                partition=0,
                at=time.time_ns() // 1000,
                outbound_id=f"answer-{number}",
                ticket_id=f"{visitor.tag}-1",
                kind="reply",
                channel="chat",
                address="visitor",
                text=str(time.perf_counter()),
                thread_id=visitor.thread,
            )
            await producer.send(self.settings.topic(OUTBOUND), codec.encode(outbound), key=visitor.tag.encode())


if __name__ == "__main__":
    from schemas.settings import load

    print(json.dumps(asyncio.run(Crowd(sys.argv[1], load(Settings)).run())))
