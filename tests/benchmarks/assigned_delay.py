"""`assigned_p99_ms`: from a contact to the durable assignment of its ticket, at 500 contacts/s on a whole worker.

A contact that opens a ticket goes through the customer's partition, the team's partition and back: two logs, each committed
before the next reads it. Agents with enough room are there in every team, so nothing waits for a person. Contacts count from
the moment they were due. The end is the assignment in the log of the ticket's own partition, committed and readable.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from schemas import codec
from schemas.events import Assigned, PresenceChanged, RosterChanged
from schemas.settings import Settings
from schemas.topics import CONTACT_EVENTS, ROUTING
from stream_processors.rules import ruleset
from tests.benchmarks.corpus import messages
from tests.benchmarks.figures import Figure
from tests.benchmarks.harness import Bench, console, partition_of, percentile

RATE, SECONDS, WARM_UP_SECONDS, AGENTS_PER_TEAM = 500, 40, 15, 40
GRACE_SECONDS = 20
#: Of a person: nobody is ever busy here.
WEIGHT, ROOM = 0.00005, 20_000


def run(bench: Bench) -> list[Figure]:
    settings = bench.namespace("assigned")
    console.print(f"[dim]assignments at {RATE} contacts/s for {SECONDS} s …[/]")
    with bench.process("worker", settings, ["-m", "stream_processors"]):
        delays_ms = _measure(settings)
    return [
        Figure("assigned_p50_ms", round(percentile(delays_ms, 0.5), 1), "ms"),
        Figure("assigned_p99_ms", round(percentile(delays_ms, 0.99), 1), "ms", at_most=300),
    ]


class _Watch:
    """Waits for assignments, by customer tag: when the contact that opens the ticket was due."""

    def __init__(self, settings: Settings) -> None:
        self.waiting: dict[str, float] = {}
        self.delays_ms: list[float] = []
        self.stop, self.assigned = threading.Event(), threading.Event()
        self._settings = settings
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join()

    def _read(self) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self._settings.kafka_bootstrap_servers,
                "group.id": self._settings.group("bench"),
                "fetch.min.bytes": 65_536,
                "fetch.wait.max.ms": 10,
            }
        )
        topic, header = self._settings.topic(CONTACT_EVENTS), codec.header(Assigned)
        consumer.assign([TopicPartition(topic, number, 0) for number in range(self._settings.partitions)])
        while not self.stop.is_set():
            for record in consumer.consume(500, timeout=0.01):
                if not record.error() and record.value().startswith(header):
                    self.assigned.set()
                    tag = codec.decode(record.value()).customer_tag
                    if (due := self.waiting.pop(tag, None)) is not None:
                        self.delays_ms.append((time.perf_counter() - due) * 1000)
        consumer.close()


def _measure(settings: Settings) -> list[float]:
    events = list(messages(RATE * SECONDS + 1, seed=13, at=time.time_ns() // 1000))
    ready = [(event.customer_tag, event.customer_tag.encode(), codec.encode(event)) for event in events]
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap_servers, "acks": "all", "linger.ms": 5})
    _staff(producer, settings)
    topic, known = settings.topic(CONTACT_EVENTS), set[str]()
    with _Watch(settings) as watch:
        tag, key, value = ready.pop()
        known.add(tag)
        producer.produce(topic, value, key, partition=partition_of(key))
        producer.flush()
        if not watch.assigned.wait(60):
            raise TimeoutError("the worker assigned nothing in 60 s")
        began = time.perf_counter()
        for number, (tag, key, value) in enumerate(ready):
            due = began + number / RATE
            while (ahead := due - time.perf_counter()) > 0:
                producer.poll(0)
                time.sleep(ahead)
            if tag not in known and number >= RATE * WARM_UP_SECONDS:
                watch.waiting[tag] = due
            known.add(tag)
            producer.produce(topic, value, key, partition=partition_of(key))
        producer.flush()
        give_up = time.monotonic() + GRACE_SECONDS
        while watch.waiting and time.monotonic() < give_up:
            time.sleep(0.1)
    if watch.waiting:
        console.print(f"[red]{len(watch.waiting)} tickets were assigned to nobody yet[/]")
    now = time.perf_counter()
    return watch.delays_ms + [(now - due) * 1000 for due in watch.waiting.values()]


def _staff(producer: Producer, settings: Settings) -> None:
    """Lets people be there in every team, with room for all that comes."""
    at = time.time_ns() // 1000
    for team in ruleset.load().teams.teams:
        for number in range(AGENTS_PER_TEAM):
            common: dict[str, Any] = {
                "occurred_at": at,
                "received_at": at,
                "customer_tag": "",
                "source": "bench",
                "agent_id": f"{team}{number}",
                "team": team,
            }
            room = {"default": ROOM}
            for record in (
                RosterChanged(event_id=f"roster-{team}-{number}", weights={"default": WEIGHT}, **common),
                PresenceChanged(
                    event_id=f"online-{team}-{number}", status="online", capacity=room, valid_seconds=86_400, **common
                ),
            ):
                key = team.encode()
                producer.produce(settings.topic(ROUTING), codec.encode(record), key, partition=partition_of(key))
    producer.flush()
