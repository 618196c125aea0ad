"""On three brokers a record is acknowledged when two have it: the topics say so, whoever created them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from schemas import admin
from schemas.errors import TopicMismatch
from schemas.settings import Settings
from schemas.topics import CONTACT_EVENTS
from tests.support.faults.brokers import own_brokers
from tests.support.timeouts import eventually


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with own_brokers(tmp_path_factory.mktemp("brokers"), 3) as brokers:
        yield Settings(kafka_bootstrap_servers=brokers.bootstrap_servers, replication_factor=3)


def in_sync(client: KafkaAdminClient, names: list[str]) -> dict[str, str]:
    return {name: configs[admin.IN_SYNC] for name, configs in admin.describe_configs(client, names).items()}


def problem(settings: Settings) -> str:
    try:
        admin.verify_topics(settings)
    except TopicMismatch as mismatch:
        return str(mismatch)
    return ""


@pytest.mark.stack
def test_topics_of_three_replicas_need_two_for_an_acknowledgement(settings: Settings) -> None:
    created = admin.create_topics(settings)
    admin.verify_topics(settings)
    with closing(KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers.split(","))) as client:
        assert set(in_sync(client, created).values()) == {"2"}


@pytest.mark.stack
def test_a_topic_that_needs_one_is_refused_and_raised_by_create(settings: Settings) -> None:
    admin.create_topics(settings)
    name = "contact-events"
    with closing(KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers.split(","))) as client:
        kept = {"retention.ms": str(CONTACT_EVENTS.retention_ms)}  # what is not named here is reset
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, kept | {admin.IN_SYNC: "1"})])
        # not every broker hears of a change at once, and any of them may be the one that is asked
        eventually(
            lambda: f"{name} has min.insync.replicas=1, expected at least 2" in problem(settings), "that it is seen"
        )
        assert admin.create_topics(settings) == []
        eventually(lambda: in_sync(client, [name]) == {name: "2"} and not problem(settings), "that it is raised")
