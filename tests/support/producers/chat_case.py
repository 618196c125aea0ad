"""Makes conversations of live chat for tests, without sockets and without Kafka."""

from __future__ import annotations

from typing import Any

import msgspec

from producers.channels import chat_protocol as frames
from producers.channels.chat import ChatConversation, Rules, Step, fold, observe
from schemas.clock import MICROS
from schemas.facts import Outbound
from tests.support.records import example

T0 = 1_772_442_000_000_000  # 2026-03-02T09:00:00Z, a Monday
RULES = Rules(source="chat:test", secrets=("new", "old"))
START = frames.Start(
    visitor="visitor-0123456789",
    conversation="conversation-0123456789",
    line="l1",
    text="Where is my parcel?",
    name="Ann",
    email="Ann@example.org",
    order_number="A-17",
    locale="zh-TW",
    time_zone="Asia/Taipei",
    page_url="https://user:pass@shop.example/cart?token=1#x",
)


def at(seconds: float) -> int:
    return T0 + round(seconds * MICROS)


def begun(**changes: Any) -> ChatConversation:
    return fold(ChatConversation(), msgspec.structs.replace(START, **changes), T0, RULES).state


def outbound(text: str, kind: str = "reply", seconds: float = 30) -> Outbound:
    plain: Outbound = example(Outbound, text=text, channel="chat", ticket_id="T-1", at=at(seconds))
    return msgspec.structs.replace(plain, kind=kind)


def answered(**changes: Any) -> ChatConversation:
    return observe(begun(**changes), outbound("It is on its way."), 7).state


def kinds(step: Step) -> list[str]:
    return [type(frame).__name__ for frame in step.frames]
