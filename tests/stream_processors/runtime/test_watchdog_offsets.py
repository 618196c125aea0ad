"""What the watchdog makes of the brokers' answers, and the gauges that it sets."""

from __future__ import annotations

from typing import Any

import pytest
from kafka import TopicPartition
from prometheus_client import REGISTRY

from schemas.errors import Unavailable
from schemas.settings import WorkerSettings
from stream_processors.runtime import watchdog
from stream_processors.runtime.watchdog import PartitionOffsets, Watchdog


class Consumer:
    """Brokers whose log of partition 1 begins at 40, with nothing committed of partition 2."""

    def end_offsets(self, asked: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict(zip(asked, (90, 52, 7), strict=False))

    def beginning_offsets(self, asked: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict(zip(asked, (0, 40, 3), strict=False))

    def committed(self, partition: TopicPartition) -> int | None:
        return (5, 7, None)[partition.partition]


class Admin:
    """A group of two workers."""

    error: str | None = None

    def describe_groups(self, names: list[str]) -> dict[str, Any]:
        mine, others = {"group_instance_id": "w1", "at": 0}, {"group_instance_id": "w2", "at": 1}
        return {names[0]: {"error": self.error, "members": [mine, others, mine]}}


@pytest.fixture
def dog(monkeypatch: pytest.MonkeyPatch) -> Watchdog:
    made = Watchdog([], WorkerSettings(worker_id="w1"), lambda why: None)
    monkeypatch.setattr(made, "_ask", lambda: (Consumer(), Admin()))
    assigned = [[("contact-events", [0, 1]), ("routing", [3])], [("contact-events", [2])]]
    monkeypatch.setattr(watchdog, "_assignment", lambda member: assigned[member["at"]])
    return made


def test_what_retention_has_deleted_is_not_unread(dog: Watchdog) -> None:
    assert dog.offsets("contact-events", [2, 0, 1]) == {
        0: PartitionOffsets(5, 90),
        1: PartitionOffsets(40, 52),
        2: PartitionOffsets(3, 7),
    }
    assert dog.offsets("contact-events", []) == {}


def test_only_this_workers_partitions_are_its_own(dog: Watchdog) -> None:
    assert dog._given() == {"contact-events": {0, 1}, "routing": {3}}


def test_a_group_that_is_not_described_is_an_error(dog: Watchdog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Admin, "error", "NOT_COORDINATOR")
    with pytest.raises(Unavailable, match="NOT_COORDINATOR"):
        dog._given()


def test_the_gauges_are_those_of_the_partitions_of_now(dog: Watchdog) -> None:
    def shown() -> list[float | None]:
        labels = [{"agent": "offsets-test", "partition": str(number)} for number in range(3)]
        return [REGISTRY.get_sample_value("deskstream_lag_records", each) for each in labels]

    dog._show("offsets-test", {0: PartitionOffsets(5, 90), 1: PartitionOffsets(9, 7)})
    assert shown() == [85, 0, None]
    dog._show("offsets-test", {1: PartitionOffsets(7, 9), 2: PartitionOffsets(0, 1)})
    assert shown() == [None, 2, 1]
