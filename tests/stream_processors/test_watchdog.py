"""The watchdog ends a worker that leaves one partition unread, whatever the worker itself believes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from prometheus_client import REGISTRY

from schemas.settings import WorkerSettings
from schemas.topics import ROUTING
from stream_processors.watchdog import Patience, Place, Watchdog

SOURCE = "contact-events"


def judge(*looks: tuple[float, dict[int, Place]], recovered_at: float = 0.0) -> list[str]:
    patience = Patience(60.0)
    return [patience.judge(SOURCE, places, recovered_at, now) for now, places in looks]


def test_a_partition_that_stands_is_noticed_although_its_neighbour_moves() -> None:
    looks = [(now, {0: Place(now, 1000), 1: Place(7, 52)}) for now in (100, 150, 161)]
    assert judge(*looks) == ["", "", "contact-events/1: 45 records behind and no commit for 61 s"]


@pytest.mark.parametrize(
    ("case", "looks"),
    [
        ("it moves, however slowly", [(0, {0: Place(5, 90)}), (59, {0: Place(6, 90)}), (118, {0: Place(7, 90)})]),
        ("it is at the end", [(0, {0: Place(5, 5)}), (100, {0: Place(5, 5)}), (101, {0: Place(5, 6)})]),
        ("it went to another worker and back", [(0, {0: Place(5, 9)}), (50, {}), (70, {0: Place(5, 9)})]),
        ("nothing is assigned", [(0, {}), (100, {})]),
    ],
)
def test_no_partition_is_blamed_that_is(case: str, looks: list[tuple[float, dict[int, Place]]]) -> None:
    assert judge(*looks) == [""] * len(looks), case


def test_a_recovery_that_makes_progress_renews_the_patience() -> None:
    looks = [(now, {0: Place(0, 9)}) for now in (0, 100, 161)]
    assert judge(*looks, recovered_at=100) == ["", "", "contact-events/0: 9 records behind and no commit for 61 s"]


class Unaware:
    """A worker that believes that it has nothing to do."""

    name = "routing"
    recovered_at = 0.0

    def __init__(self, source: str) -> None:
        self.source = source

    def assigned(self) -> list[int]:
        return []


@pytest.fixture
def member(deployment: Any) -> Iterator[tuple[WorkerSettings, KafkaConsumer]]:
    """A member of the workers' group that joined it and reads nothing."""
    settings = deployment.settings(WorkerSettings, worker_id="worker-7")
    consumer = KafkaConsumer(
        settings.topic(ROUTING),
        bootstrap_servers=settings.kafka_bootstrap_servers,
        group_id=settings.group("").rstrip("-"),
        group_instance_id="worker-7",
        enable_auto_commit=False,
    )
    until = time.monotonic() + 20
    while not consumer.assignment() and time.monotonic() < until:
        consumer.poll(100)
    yield settings, consumer
    consumer.close()


@pytest.mark.stack
def test_it_judges_by_what_the_group_gave_and_by_what_is_committed(
    member: tuple[WorkerSettings, KafkaConsumer],
) -> None:
    settings, consumer = member
    topic, partitions = settings.topic(ROUTING), range(settings.partitions)
    with KafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers, acks="all") as producer:
        for partition in (0, 0, 0, 1):
            producer.send(topic, partition=partition, value=b"x")
        producer.flush()
    consumer.commit({TopicPartition(topic, 0): OffsetAndMetadata(2, "", -1)})

    said: list[str] = []
    watchdog = Watchdog([], settings, said.append)
    assert watchdog._given() == {topic: set(partitions)}
    assert watchdog.places(topic, partitions) == {
        partition: Place(*{0: (2, 3), 1: (0, 1)}.get(partition, (0, 0))) for partition in partitions
    }
    watchdog._check(Unaware(topic), set(partitions))
    assert said == []
    assert lag(0) == lag(1) == 1
    watchdog._check(Unaware(topic), {1})
    assert lag(0) is None, "another worker shows it now"
    watchdog._forget_clients()


def lag(partition: int) -> float | None:
    return REGISTRY.get_sample_value("deskstream_lag_records", {"agent": "routing", "partition": str(partition)})
