"""A load for the fault tests: customer messages, answers of agents to the tickets they open, and agents on duty."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from kafka import KafkaProducer

from schemas import codec
from schemas.events import AgentReplied, Event, PresenceChanged
from schemas.identity import event_id, ticket_id
from schemas.settings import Settings
from schemas.topics import CONTACT_EVENTS, ROUTING
from tests.benchmarks.corpus import messages

TEAMS = ("support", "payments", "delivery", "returns", "product", "accounts")


def events(count: int, at: int) -> Iterator[Event]:
    """`count` customer messages; every fifth is followed by the answer of an agent to that customer's first ticket."""
    for number, message in enumerate(messages(count, at=at, step=1000)):
        yield message
        if number % 5 == 0:
            yield AgentReplied(
                event_id=event_id("load", "reply", str(number)),
                occurred_at=message.occurred_at + 500,
                received_at=message.received_at + 500,
                customer_tag=message.customer_tag,
                channel=message.channel,
                ticket_id=ticket_id(message.customer_tag, 1),
                agent_id=f"agent-{number % 7}",
                text="We have it, it is on its way.",
            )


def presence(now: int) -> Iterator[PresenceChanged]:
    for team in TEAMS:
        yield PresenceChanged(
            event_id=event_id("load", "presence", team),
            occurred_at=now,
            received_at=now,
            customer_tag="",
            agent_id=f"{team}-agent",
            team=team,
            status="online",
            capacity={"default": 50},
        )


class Load(threading.Thread):
    """Publishes the events at a steady pace, until there are `count` messages or it is told that it is `enough`.

    `sent` holds them when it is finished; `encode` is how its producer writes an event.
    """

    def __init__(
        self, settings: Settings, count: int, per_second: float, encode: Callable[[Event], bytes] = codec.encode
    ) -> None:
        super().__init__(daemon=True)
        self.settings, self.count, self.per_second, self.encode = settings, count, per_second, encode
        self.enough = threading.Event()
        self.sent: list[Event] = []

    def run(self) -> None:
        producer = KafkaProducer(bootstrap_servers=self.settings.kafka_bootstrap_servers, acks="all", linger_ms=5)
        now = time.time_ns() // 1000
        for event in presence(now):
            producer.send(self.settings.topic(ROUTING), key=event.team.encode(), value=codec.encode(event))
        began = time.monotonic()
        for number, event in enumerate(events(self.count, now)):
            ahead = began + number / self.per_second - time.monotonic()
            if ahead > 0.01:
                time.sleep(ahead)
            if self.enough.is_set():
                break
            producer.send(
                self.settings.topic(CONTACT_EVENTS), key=event.customer_tag.encode(), value=self.encode(event)
            )
            self.sent.append(event)
        producer.flush()
        producer.close()
