"""The options of every consumer of the sinks."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.settings import SinkSettings
from sinks import kafka


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(kafka, "AIOKafkaConsumer", lambda **options: found.append(options))
    return found


def test_a_consumer_never_commits_by_itself(asked: list[dict[str, Any]]) -> None:
    settings = SinkSettings(kafka_bootstrap_servers="broker:9092", namespace="x.", sink_instance="a")
    kafka.consumer(settings, "delivery", fetch_min_bytes=7)
    assert asked == [
        {
            "bootstrap_servers": "broker:9092",
            "group_id": settings.group("delivery"),
            "group_instance_id": "delivery-a",
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",
            "session_timeout_ms": 10_000,
            "heartbeat_interval_ms": 3_000,
            "max_partition_fetch_bytes": 4 << 20,
            "fetch_min_bytes": 7,
            "fetch_max_wait_ms": 100,
            "metadata_max_age_ms": 60_000,
        }
    ]


def test_a_reader_belongs_to_no_group(asked: list[dict[str, Any]]) -> None:
    kafka.consumer(SinkSettings(sink_instance="a"), None)
    kafka.consumer(SinkSettings(), "delivery")
    assert [(each["group_id"], each["group_instance_id"]) for each in asked] == [
        (None, None),
        (SinkSettings().group("delivery"), None),
    ]
