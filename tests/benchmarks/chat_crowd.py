"""The visitors of the chat benchmark, in a process of their own: `python -m tests.benchmarks.chat_crowd URL RATE...`.

It opens the sockets, begins the conversations, and then writes lines, for each rate (lines/s) in turn, while the desk
answers. The load is open: lines come at random moments (a Poisson process, always the same one), whether or not the
ones before are acknowledged, and a line's time counts from the moment at which it was *due*: what the generator is late
is counted against the server. Every socket speaks WebSocket through the `websockets` library's protocol, without its
tasks and queues for each connection, so that 2,000 visitors take a small part of a core. Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import sys
import time
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec
import psutil
import uvloop
from confluent_kafka import Producer
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import OPEN
from websockets.typing import Origin
from websockets.uri import parse_uri

from schemas import codec, identity
from schemas.facts import Outbound
from schemas.settings import Settings, load
from schemas.topics import OUTBOUND

SOCKETS, ANSWERS_PER_SECOND = 2_000, 50
SECONDS, WARM_UP_SECONDS, TIMEOUT_SECONDS = 25.0, 5.0, 30.0
#: So many visitors come at once; a real rush is slower.
ARRIVING = 50
ORIGIN = Origin("https://shop.example")
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Visitor(asyncio.Protocol):
    """One open socket with a conversation."""

    def __init__(self, number: int, crowd: Crowd) -> None:
        self.number, self.crowd = number, crowd
        self.tag = identity.customer_tag(f"email:visitor-{number}@example.org")
        self.thread = ""
        self.due: dict[str, float] = {}  # line → when it was due, until it is acknowledged
        self._protocol = ClientProtocol(parse_uri(crowd.url), origin=ORIGIN, max_size=2**20)
        self._transport: asyncio.Transport | None = None
        self._left = False
        self.offered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._protocol.send_request(self._protocol.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                if self._protocol.state is not OPEN:
                    self.crowd.fail(f"visitor {self.number} was turned away: {event.status_code} {event.body!r}")
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._heard(_decode(event.data), time.perf_counter())
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._left:
            self.crowd.fail(f"visitor {self.number} lost the connection: {self._protocol.close_reason or exc}")

    def _flush(self) -> None:
        if self._transport is not None and (data := b"".join(self._protocol.data_to_send())):
            self._transport.write(data)

    def _heard(self, frame: dict[str, Any], now: float) -> None:
        kind = frame["type"]
        if kind == "ack":
            if (due := self.due.pop(frame["line"], None)) is not None:
                self.crowd.acknowledged.append(now - due)
            elif not self.begun.done():
                self.begun.set_result(None)
        elif kind == "said":
            self.crowd.heard.append(now - float(frame["text"]))
        elif kind == "offer" and not self.offered.done():
            self.offered.set_result(bool(frame.get("available")))
        elif kind == "welcome":
            self.thread = frame["conversation"]
        elif kind == "problem":
            self.crowd.fail(f"visitor {self.number}: {frame}")

    def send(self, **frame: Any) -> None:
        self._protocol.send_text(msgspec.json.encode(frame))
        self._flush()

    async def begin(self) -> None:
        self.send(
            type="start",
            visitor=f"visitor-{self.number:08}",
            conversation=f"conversation-{self.number:08}",
            line="begin",
            text="Where is my parcel?",
            email=f"visitor-{self.number}@example.org",
        )
        await asyncio.wait_for(self.begun, 60)

    def write(self, line: str, due: float) -> None:
        self.due[line] = due
        self.send(type="line", line=line, text=f"Line {line}: it has not arrived yet, can you have a look?")

    def close(self) -> None:
        self._left = True
        if self._transport is not None:
            self._transport.abort()


class Crowd:
    """All visitors, and the desk that answers them."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.url, self._topic = url, settings.topic(OUTBOUND)
        self._desk = Producer({"bootstrap.servers": settings.kafka_bootstrap_servers, "acks": "all", "linger.ms": 0})
        self._visitors: list[Visitor] = []
        self._answers = 0
        self._failure: asyncio.Future[None] | None = None
        self.acknowledged: list[float] = []
        self.heard: list[float] = []

    def fail(self, why: str) -> None:
        if self._failure is not None and not self._failure.done():
            self._failure.set_exception(RuntimeError(why))

    async def run(self, rates: list[int]) -> dict[str, Any]:
        self._failure = asyncio.get_running_loop().create_future()
        measuring = asyncio.create_task(self._measure(rates))
        done, _ = await asyncio.wait((measuring, self._failure), return_when=asyncio.FIRST_COMPLETED)
        for visitor in self._visitors:
            visitor.close()
        if measuring not in done:
            measuring.cancel()
            self._failure.result()
        return await measuring

    async def _measure(self, rates: list[int]) -> dict[str, Any]:
        await self._arrive()
        gc.collect()
        gc.disable()  # walking 2,000 visitors would stop all of them at once
        await self._talk(rates[0], WARM_UP_SECONDS, "warm")
        return {
            "sockets": len(self._visitors),
            "runs": [await self._talk(rate, SECONDS, str(number)) for number, rate in enumerate(rates)],
        }

    async def _arrive(self) -> None:
        """Connect once chat is on offer, and begin."""
        loop, target = asyncio.get_running_loop(), urlsplit(self.url)
        end, places = time.monotonic() + 60, asyncio.Semaphore(ARRIVING)

        async def connect(number: int) -> Visitor:
            _, visitor = await loop.create_connection(lambda: Visitor(number, self), target.hostname, target.port)
            return visitor

        async def arrive(number: int) -> None:
            async with places:
                visitor = await connect(number)
                self._visitors.append(visitor)
                if not await asyncio.wait_for(visitor.offered, 60):
                    raise RuntimeError(f"chat is not on offer for visitor {number}")
                await visitor.begin()

        while True:  # until it listens, and has read that somebody is there
            try:
                scout = await connect(0)
                offered = await asyncio.wait_for(scout.offered, 10)
                scout.close()
                if offered:
                    break
            except OSError:
                pass
            if time.monotonic() > end:
                raise TimeoutError("chat was never offered")
            await asyncio.sleep(0.2)
        await asyncio.gather(*(arrive(number) for number in range(SOCKETS)))

    async def _talk(self, rate: int, seconds: float, name: str) -> dict[str, Any]:
        """Lines of visitors chosen at random at `rate`; returns once all are acknowledged or the timeout has passed."""
        self.acknowledged, self.heard = [], []
        chance, cpu = random.Random(rate), psutil.Process().cpu_times()
        answering = asyncio.create_task(self._answer())
        began = due = time.perf_counter()
        written, latest = 0, 0.0
        while (due := due + chance.expovariate(rate)) < began + seconds:
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            latest = max(latest, time.perf_counter() - due)
            chance.choice(self._visitors).write(f"{name}-{written}", due)
            written += 1
        answering.cancel()
        used = psutil.Process().cpu_times()
        end = time.monotonic() + TIMEOUT_SECONDS
        while len(self.acknowledged) < written and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return {
            "rate": rate,
            "written": written,
            "acknowledged": self.acknowledged,
            "heard": self.heard,
            "late": latest,
            "load_cores": (used.user + used.system - cpu.user - cpu.system) / seconds,
        }

    async def _answer(self) -> None:
        """Answers as the workers write them; the text is the moment at which they were due."""
        due = time.perf_counter()
        while True:
            due += 1 / ANSWERS_PER_SECOND
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            visitor = self._visitors[self._answers * 11 % SOCKETS]
            self._answers += 1
            answer = Outbound(
                customer_tag=visitor.tag,
                version=self._answers,
                partition=0,
                at=time.time_ns() // 1000,
                outbound_id=f"answer-{self._answers}",
                ticket_id=f"{visitor.tag}-1",
                kind="reply",
                channel="chat",
                address="visitor",
                text=str(due),
                thread_id=visitor.thread,
            )
            self._desk.produce(self._topic, codec.encode(answer), key=visitor.tag.encode())
            self._desk.poll(0)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        crowd = Crowd(sys.argv[1], load(Settings))
        print(json.dumps(runner.run(crowd.run([int(rate) for rate in sys.argv[2:]]))))
