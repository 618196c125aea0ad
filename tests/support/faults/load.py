"""A load for the fault tests: customer messages, answers of agents to the tickets they open, and agents on duty."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import msgspec
from kafka import KafkaProducer
from kafka.errors import KafkaError

from schemas import codec
from schemas.clock import Clock
from schemas.events import AgentReplied, Event, PresenceChanged
from schemas.identity import event_id, ticket_id
from schemas.settings import Settings
from schemas.topics import CONTACT_EVENTS, ROUTING
from tests.benchmarks.corpus import messages

TEAMS = ("support", "payments", "delivery", "returns", "product", "accounts")
#: How long the producer goes on with an event that Kafka does not take.
DELIVERY_SECONDS = 300.0


class Sent(NamedTuple):
    """One record for the contacts' topic. `event` is None for poison."""

    key: bytes
    value: bytes
    event: Event | None


#: Changes what is sent: doubles, shuffles, poisons.
Mix = Callable[[Iterator[Sent]], Iterable[Sent]]


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
            valid_seconds=86_400,
        )


def doubled(share: float) -> Mix:
    """This share of the records comes again, at once or up to 50 records later."""

    def mix(stream: Iterator[Sent]) -> Iterator[Sent]:
        dice, again = random.Random(5), []
        for sent in stream:
            yield sent
            if dice.random() < share:
                again.append(sent)
            while (again and dice.random() < 0.5) or len(again) > 50:
                yield again.pop(dice.randrange(len(again)))
        yield from again

    return mix


def shuffled(window: int) -> Mix:
    """Each record comes up to `window` records later than it happened."""

    def mix(stream: Iterator[Sent]) -> Iterator[Sent]:
        dice, held = random.Random(6), []
        for sent in stream:
            held.append(sent)
            if len(held) >= window:
                yield held.pop(dice.randrange(len(held)))
        dice.shuffle(held)
        yield from held

    return mix


def hosts_apart(micros: int, encode: Callable[[Event], bytes] = codec.encode) -> Mix:
    """Every other record comes from a host whose clock is ahead by so much."""

    def mix(stream: Iterator[Sent]) -> Iterator[Sent]:
        for number, sent in enumerate(stream):
            if number % 2 and (event := sent.event) is not None:
                at = {"occurred_at": event.occurred_at + micros, "received_at": event.received_at + micros}
                later = msgspec.structs.replace(event, **at)
                yield Sent(sent.key, encode(later), later)
            else:
                yield sent

    return mix


def stamped(clock: Clock) -> Mix:
    """Each event happens when it is sent, by this clock."""

    def mix(stream: Iterator[Sent]) -> Iterator[Sent]:
        for sent in stream:
            assert sent.event is not None
            now = clock.now()
            event = msgspec.structs.replace(sent.event, occurred_at=now, received_at=now)
            yield Sent(sent.key, codec.encode(event), event)

    return mix


def poisoned(share: float) -> Mix:
    """This share of the records is replaced: by no record of ours, by half of one, or by one of an unknown schema."""

    def mix(stream: Iterator[Sent]) -> Iterator[Sent]:
        dice = random.Random(7)
        for number, sent in enumerate(stream):
            if dice.random() >= share:
                yield sent
                continue
            half = sent.value[: len(sent.value) // 2]
            poison = (b"no record of ours %d" % number, half, b"\xc3\x01" + bytes(8) + sent.value[10:])
            yield Sent(sent.key, poison[number % 3], None)

    return mix


class Load(threading.Thread):
    """Publishes the events at a steady pace, until there are `count` messages or it is told that it is `enough`.

    It sends `least` records even when it is told before.
    `sent` holds the events, `accepted` those records that Kafka acknowledged, when it is finished; `encode` is how its
    producer writes an event, `mix` what happens to its records on the way.
    """

    def __init__(
        self,
        settings: Settings,
        count: int,
        per_second: float,
        encode: Callable[[Event], bytes] = codec.encode,
        mix: Mix | None = None,
        least: int = 0,
    ) -> None:
        super().__init__(daemon=True)
        self.least = least
        self.settings, self.count, self.per_second, self.encode, self.mix = settings, count, per_second, encode, mix
        self.enough = threading.Event()
        self.sent: list[Event] = []
        self.accepted: list[Sent] = []
        self.finished = False

    def run(self) -> None:
        producer = KafkaProducer(
            bootstrap_servers=self.settings.kafka_bootstrap_servers.split(","),
            acks="all",
            linger_ms=5,
            max_block_ms=DELIVERY_SECONDS * 1000,
            delivery_timeout_ms=DELIVERY_SECONDS * 1000,
        )
        now = self.settings.pipeline_clock.now()
        for event in presence(now):
            producer.send(self.settings.topic(ROUTING), key=event.team.encode(), value=codec.encode(event))
        pending = []
        began = time.monotonic()
        stream: Iterable[Sent] = self._records(now)
        for number, record in enumerate(self.mix(iter(stream)) if self.mix else stream):
            ahead = began + number / self.per_second - time.monotonic()
            if ahead > 0.01:
                time.sleep(ahead)
            if number >= self.least and self.enough.is_set():
                break
            future = producer.send(self.settings.topic(CONTACT_EVENTS), key=record.key, value=record.value)
            pending.append((record, future))
            if record.event is not None:
                self.sent.append(record.event)
        producer.flush()
        producer.close()
        self.accepted = [record for record, future in pending if _taken(future)]
        self.finished = True

    def _records(self, now: int) -> Iterator[Sent]:
        for event in events(self.count, now):
            yield Sent(event.customer_tag.encode(), self.encode(event), event)


def _taken(future: object) -> bool:
    try:
        future.get(DELIVERY_SECONDS)  # type: ignore[attr-defined]
    except KafkaError:
        return False
    return True
