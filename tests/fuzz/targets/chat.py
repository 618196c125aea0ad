"""Sequences of chat frames, through the real server of a visitor's connection, with what the log says in between.

An input is a message a line, as a visitor's browser sends them. A line that begins with `!` is no message: the connection
is lost (`!gone`), an agent answers (`!said TEXT`) or solves (`!solved`), a second passes (`!tick`), or 1,000 do (`!wait`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec
from websockets.exceptions import ConnectionClosed

from producers.channels import chat_protocol as frames
from producers.channels import chat_token
from producers.channels.chat import CHANNEL, conversation_id
from producers.publishing.published_ids import PublishedIds
from producers.sources.chat.server import Server, Visitor
from schemas.errors import Refused
from schemas.events import PresenceChanged, StatusChanged
from schemas.facts import Outbound
from schemas.process import Health
from schemas.settings import ChatSettings
from tests.fuzz import mutators, structured
from tests.fuzz.memory_kafka import MemoryKafka, publisher_in_memory
from tests.fuzz.target import Mutator, Target
from tests.support.producers.chat_visitor import FORM
from tests.support.records import example

_LOOP = asyncio.new_event_loop()
_SECRET = "chat-secret-0123456789"
_MOST_FRAMES = 200
_CONTROLS = (b"!gone", b"!said Here it is", b"!solved", b"!tick", b"!wait", b"!said \xff")


class _Socket:
    """A visitor's connection: yields the messages of an input, and keeps what is sent."""

    def __init__(self, messages: Sequence[bytes], between: Callable[[str], None]) -> None:
        self._messages, self._between = messages, between
        self.sent: list[str] = []
        self.closed: tuple[int, str] | None = None

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        for message in self._messages:
            if message.startswith(b"!gone"):
                return
            if message.startswith(b"!"):
                self._between(message.decode("utf-8", "replace"))
                continue
            try:
                yield message.decode()
            except UnicodeDecodeError:
                yield message  # a binary message; text that is no UTF-8 the library refuses itself
            if self.closed is not None:
                return

    async def send(self, text: str) -> None:
        if self.closed is not None:
            raise ConnectionClosed(None, None)
        json.loads(text.encode())
        self.sent.append(text)

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)


class _Chat:
    """A chat process with one visitor after the other, all of one input."""

    def __init__(self, settings: ChatSettings, server: Server, kafka: MemoryKafka) -> None:
        self._server, self._kafka = server, kafka
        self._told = 0
        server.hub.ready = True
        now = settings.pipeline_clock.now()
        self._base = {"event_id": "e", "occurred_at": now, "received_at": now, "customer_tag": "ABCDEFGHIJKL"}
        server.hub.see(
            PresenceChanged(**self._base, agent_id="mei", team="support", status="online", capacity={CHANNEL: 5}), 0
        )

    async def talk(self, messages: Sequence[bytes]) -> str:
        """Lets visitors send the messages, each connection until it is lost; returns what came of it."""
        left = list(messages[:_MOST_FRAMES])
        seen: set[str] = set()
        while left:
            socket = _Socket(left, self._say)
            visitor = Visitor(self._server, socket, "192.0.2.7")  # type: ignore[arg-type]
            writing = asyncio.create_task(visitor.write())
            visitor.send(self._server.hub.offer())
            await visitor.read()
            for _ in range(2 * _MOST_FRAMES):
                await asyncio.sleep(0)  # the writer sends what is left
                if visitor._unsent.empty() or writing.done():
                    break
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            if visitor.live is not None:
                await self._server.hub.detach(visitor.live, visitor)
            seen |= {str(json.loads(text)["type"]) for text in socket.sent}
            gone = next((place for place, message in enumerate(left) if message.startswith(b"!gone")), len(left))
            left = left[gone + 1 :] if socket.closed is None else []
        await asyncio.sleep(0)  # what ends by itself ends
        return " ".join(sorted(seen - {"offer"}))

    def _say(self, line: str) -> None:
        """Lets the log, or the clock, say something to the conversation that was begun last."""
        hub = self._server.hub
        for live in [live for _, live in hub._conversations.all()][-1:]:
            self._told += 1
            thread, ticket = live.state.thread_id, "ABCDEFGHIJKL-1"
            if line.startswith("!said"):
                said = example(Outbound, text=line[6:], channel=CHANNEL, ticket_id=ticket, thread_id=thread)
                hub.see(msgspec.structs.replace(said, kind="reply"), self._told)
            elif line.startswith("!solved"):
                hub.see(StatusChanged(**self._base, ticket_id=ticket, thread_ref=thread, status="solved"), self._told)
            elif line.startswith("!wait"):
                live.state = type(live.state)(**{**_fields(live.state), "touched_at": 0, "started_at": 1})
        if line.startswith(("!tick", "!wait")):
            hub.pass_time()


def _fields(state: Any) -> dict[str, Any]:
    return {name: getattr(state, name) for name in state.__struct_fields__}


def opened() -> Callable[[bytes], str]:
    """Returns what lets visitors send an input, to a process of its own."""
    asyncio.set_event_loop(_LOOP)
    settings = ChatSettings(
        clock="", chat_secrets=_SECRET, chat_starts_per_minute=1e9, chat_frames_per_second=1e9, chat_frames_burst=1e9
    )
    publisher, kafka = publisher_in_memory(settings)

    def take(raw: bytes) -> str:
        publisher._ids = publisher._deliveries.ids = PublishedIds()  # one input leaves nothing to the next
        server = Server(settings, publisher, Health())
        outcome = _LOOP.run_until_complete(_Chat(settings, server, kafka).talk(raw.split(b"\n")))
        kafka.clear()
        return outcome

    return take


def _protocol() -> Callable[[bytes], str]:
    """Decodes one message; what was decoded encodes to the same frame."""

    def take(raw: bytes) -> str:
        try:
            frame = frames.decode(raw)
        except Refused as refused:
            return refused.reason
        assert frames.decode(frames.encode(frame)) == frame
        return type(frame).__name__

    return take


def _frame(kind: str, **fields: Any) -> bytes:
    return json.dumps({"type": kind, **fields}).encode()


def _conversations() -> Sequence[bytes]:
    token = chat_token.sign(conversation_id(frames.Start(**FORM)), _SECRET)
    start, line = _frame("start", **FORM), _frame("line", line="l2", text="Hello? 荷物")
    end, survey = _frame("end"), _frame("survey", csat=5, comment="ありがとう")
    leave = _frame("leave", message="m1", text="Call me", email="ann@example.org", locale="ja", time_zone="Asia/Tokyo")
    return [
        b"\n".join((start, line, b"!said Here it is", end, survey, _frame("transcript"))),
        b"\n".join((start, b"!gone", _frame("resume", token=token, after=0), line, b"!said x", b"!tick", end)),
        b"\n".join((start, line, line, _frame("typing", on=True), b"!solved", b"!wait", line, survey)),
        b"\n".join((leave, _frame("ping"), start, b"!gone", b"!wait", _frame("resume", token=token, after=9))),
        b"\n".join((start, b"!said x", b"!gone", b"!said y", b"!wait", start, end, start, line, survey, survey)),
    ]


_SEQUENCES: tuple[Mutator, ...] = (
    *mutators.TEXT[:8],
    *[structured.line_of(*structured.JSON)] * 20,
    structured.line_of(mutators.inserting(*_CONTROLS)),
)

TARGETS = [
    Target("chat_frames", lambda: [line for raw in _conversations() for line in raw.split(b"\n") if line.startswith(b"{")], structured.JSON, _protocol, 3.0),
    Target("chat_sequences", _conversations, _SEQUENCES, opened, 0.4),
]  # fmt: skip
