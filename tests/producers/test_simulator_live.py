"""The simulator against real Kafka: what it plans arrives, what is assigned is answered, and it ends when told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from producers.publisher import Publisher
from producers.simulation.day import DAY, people_of, plan_day
from producers.simulation.people import STAFF
from producers.simulation.shop import Shop
from producers.sources.simulator import flood, play
from schemas import codec
from schemas.clock import Clock
from schemas.events import AgentReplied, Event, PresenceChanged
from schemas.facts import AssignmentFact, TicketFact
from schemas.identity import ticket_id
from schemas.process import Health
from schemas.settings import ProducerSettings
from schemas.topics import CONTACT_EVENTS, ROUTING, TICKET_FACTS, Topic

pytestmark = pytest.mark.stack
START = 1_772_442_000_000_000  # 2026-03-02T09:00:00Z
SPEED, LEAD_SECONDS = 1440.0, 4.0


def fast(deployment: Any) -> ProducerSettings:
    """A clock that runs a day in a minute, and reaches START when everything is connected."""
    clock = Clock(SPEED, START - round(LEAD_SECONDS * SPEED * 1_000_000), time.time_ns() // 1000)
    settings: ProducerSettings = deployment.settings(ProducerSettings, clock=clock.spec())
    return settings


def everything(settings: ProducerSettings, topic: Topic) -> list[Event]:
    """All records of a topic, decoded."""
    consumer = KafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers, enable_auto_commit=False)
    partitions = [TopicPartition(settings.topic(topic), number) for number in range(settings.partitions)]
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    ends = consumer.end_offsets(partitions)
    records: list[Event] = []
    while any(consumer.position(each) < ends[each] for each in partitions):
        for batch in consumer.poll(timeout_ms=200).values():
            records += [codec.decode(record.value) for record in batch]
    consumer.close()
    return records


def test_a_short_day_arrives_and_assignments_are_answered(deployment: Any) -> None:
    settings = deployment.settings(ProducerSettings)
    shop = Shop(contacts=300, seed=5, start=START, days=1.5 / 24)
    person = people_of(5, 300)[0]
    tickets = [ticket_id(person.tag("email"), number) for number in range(1, 9)]
    producer = KafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers)
    for ticket in tickets:
        base: dict[str, Any] = {"customer_tag": person.tag("email"), "version": 1, "partition": 0, "at": START}
        base["ticket_id"] = ticket
        fact = TicketFact(
            **base, episode=1, channel="chat", status="new", priority="normal", language="ja", created_at=START
        )
        given = AssignmentFact(**base, event_id=ticket, team="support", agent_id="yui")
        for record in (fact, given):
            producer.send(settings.topic(TICKET_FACTS), codec.encode(record), base["customer_tag"].encode())
    producer.flush()
    producer.close()

    with Publisher(settings, linger_ms=5) as publisher:
        publisher.connect()
        settings = fast(deployment)  # time begins when that is done
        summary = play(publisher, settings, shop, Health(), threading.Event())

    events, routed = everything(settings, CONTACT_EVENTS), everything(settings, ROUTING)
    plan = [planned for planned in plan_day(5, 300, START) if planned.at < START + DAY * 1.5 / 24]
    arrived = Counter(event.occurred_at for event in events)
    assert all(arrived[planned.at] >= 1 for planned in plan)
    assert {event.agent_id for event in routed if isinstance(event, PresenceChanged)} == {a.name for a in STAFF}
    replies = [event for event in events if isinstance(event, AgentReplied)]
    assert {reply.ticket_id for reply in replies} == set(tickets)
    assert all(reply.agent_id == "yui" and START < reply.occurred_at < shop.end for reply in replies)
    assert summary.published.total() == len(events) + len(routed)
    assert all(event.received_at >= event.occurred_at for event in events)


def test_a_flood_sends_exactly_so_many_events(deployment: Any) -> None:
    settings = fast(deployment)
    with Publisher(settings, linger_ms=5) as publisher:
        summary = flood(publisher, settings, Health(), threading.Event(), seed=2, count=1500, rate=0)
    events = everything(settings, CONTACT_EVENTS)
    assert summary.published.total() == len(events) == 1500
    assert len({event.event_id for event in events}) == 1500


def test_sigterm_ends_it_with_a_summary_and_exit_code_0(deployment: Any) -> None:
    settings = fast(deployment)
    process = subprocess.Popen(
        [sys.executable, "-m", "producers", "simulate", "--contacts-per-day", "400", "--no-agents"],
        env={**os.environ, **deployment.env, "DESKSTREAM_CLOCK": settings.clock},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 120
        while not everything(settings, CONTACT_EVENTS):
            assert time.monotonic() < deadline, "nothing was published"
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    published = int(
        next(line for line in output.splitlines() if line.startswith("together")).split()[-1].replace(",", "")
    )
    assert published == len(everything(settings, CONTACT_EVENTS))
