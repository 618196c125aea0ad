"""The watchdog ends a worker that leaves one partition unread, whatever the worker itself believes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaConnectionError, RebalanceInProgressError
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from schemas import metrics
from schemas.errors import Unavailable
from schemas.settings import WorkerSettings
from schemas.topics import ROUTING
from stream_processors.runtime.watchdog import PartitionOffsets, StallTimer, Watchdog, Watched
from tests.support.timeouts import eventually

SOURCE = "contact-events"


def judge(*looks: tuple[float, dict[int, PartitionOffsets]], recovered_at: float = 0.0) -> list[str]:
    stalls = StallTimer(60.0)
    return [stalls.stalled(SOURCE, offsets, recovered_at, now) for now, offsets in looks]


def test_a_stalled_partition_is_noticed_while_another_moves() -> None:
    looks = [(now, {0: PartitionOffsets(now, 1000), 1: PartitionOffsets(7, 52)}) for now in (100, 150, 161)]
    assert judge(*looks) == ["", "", "contact-events/1: 45 records behind and no commit for 61 s"]


@pytest.mark.parametrize(
    ("case", "looks"),
    [
        (
            "it moves, however slowly",
            [
                (0, {0: PartitionOffsets(5, 90)}),
                (59, {0: PartitionOffsets(6, 90)}),
                (118, {0: PartitionOffsets(7, 90)}),
            ],
        ),
        (
            "it is at the end",
            [(0, {0: PartitionOffsets(5, 5)}), (100, {0: PartitionOffsets(5, 5)}), (101, {0: PartitionOffsets(5, 6)})],
        ),
        (
            "it went to another worker and back",
            [(0, {0: PartitionOffsets(5, 9)}), (50, {}), (70, {0: PartitionOffsets(5, 9)})],
        ),
        ("nothing is assigned", [(0, {}), (100, {})]),
    ],
)
def test_no_partition_is_blamed_that_is(case: str, looks: list[tuple[float, dict[int, PartitionOffsets]]]) -> None:
    assert judge(*looks) == [""] * len(looks), case


def test_a_recovery_that_makes_progress_renews_the_patience() -> None:
    looks = [(now, {0: PartitionOffsets(0, 9)}) for now in (0, 100, 161)]
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
    until = time.monotonic() + 120
    while not consumer.assignment() and time.monotonic() < until:
        consumer.poll(100)
    yield settings, consumer
    consumer.close()


def committed(consumer: KafkaConsumer, offsets: dict[TopicPartition, OffsetAndMetadata]) -> bool:
    """Commits, unless the group is just being balanced; polling lets that go on."""
    try:
        consumer.commit(offsets)
    except RebalanceInProgressError:
        consumer.poll(100)
        return False
    return True


@pytest.mark.stack
def test_it_judges_by_the_group_and_the_committed_offset(
    member: tuple[WorkerSettings, KafkaConsumer],
) -> None:
    settings, consumer = member
    topic, partitions = settings.topic(ROUTING), range(settings.partitions)
    with KafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers, acks="all") as producer:
        for partition in (0, 0, 0, 1):
            producer.send(topic, partition=partition, value=b"x")
        producer.flush()
    eventually(lambda: committed(consumer, {TopicPartition(topic, 0): OffsetAndMetadata(2, "", -1)}), "the commit")

    said: list[str] = []
    watchdog = Watchdog([], settings, said.append)
    assert watchdog._given() == {topic: set(partitions)}
    assert watchdog.offsets(topic, partitions) == {
        partition: PartitionOffsets(*{0: (2, 3), 1: (0, 1)}.get(partition, (0, 0))) for partition in partitions
    }
    watchdog._check(Unaware(topic), set(partitions))
    assert said == []
    assert lag(0) == lag(1) == 1
    watchdog._check(Unaware(topic), {1})
    assert lag(0) is None, "another worker shows it now"
    watchdog._forget_clients()


class Knowing(Unaware):
    """A worker that knows its partitions."""

    def assigned(self) -> list[int]:
        return [0, 1]


class Answers(Watchdog):
    """Kafka's answers by a list: what the group gave or an error of it, and whether it says how far the log is read."""

    def __init__(self, worker: Watched, settings: WorkerSettings, *answers: tuple[Exception | None, bool]) -> None:
        super().__init__([worker], settings, lambda why: None)
        self.answers = iter(answers)

    def _given(self) -> dict[str, set[int]]:
        error, self.tells = next(self.answers)
        if error is not None:
            raise error
        return {}

    def offsets(self, source: str, partitions: Iterable[int]) -> dict[int, PartitionOffsets]:
        if not self.tells:
            raise KafkaConnectionError()
        return {partition: PartitionOffsets(1, 3) for partition in partitions}


def test_it_warns_once_of_a_problem_that_lasts_and_says_when_it_is_over() -> None:
    away, there = (KafkaConnectionError(), False), (None, True)
    watchdog = Answers(Knowing(SOURCE), WorkerSettings(), away, there, away, away, away, there)
    with capture_logs() as logged:
        for _ in range(6):
            watchdog.look()
    assert [(line["log_level"], line.get("reason") or line["after"]) for line in logged] == [
        ("warning", "KafkaConnectionError"),
        ("info", "KafkaConnectionError"),
    ]


@pytest.mark.parametrize(
    ("case", "worker", "answer", "looked"),
    [
        ("Kafka answers", Unaware, (None, True), True),
        ("what the group gave is secret; the worker knows it", Knowing, (Unavailable("refused"), True), True),
        ("what the group gave is secret; nobody knows it", Unaware, (Unavailable("refused"), True), False),
        ("Kafka is away", Knowing, (None, False), False),
    ],
)
def test_a_look_counts_when_kafka_said_what_is_unread(
    case: str, worker: type[Unaware], answer: tuple[Exception | None, bool], looked: bool
) -> None:
    metrics.WATCHDOG_LOOK_SECONDS.labels("routing").set(0)
    Answers(worker(SOURCE), WorkerSettings(), answer).look()
    at = REGISTRY.get_sample_value("deskstream_watchdog_look_timestamp_seconds", {"agent": "routing"})
    assert (at != 0) == looked, case


def lag(partition: int) -> float | None:
    return REGISTRY.get_sample_value("deskstream_lag_records", {"agent": "routing", "partition": str(partition)})
