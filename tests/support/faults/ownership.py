"""Which worker holds which partitions, and how far they are committed, as the group's coordinator says."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from schemas.settings import Settings
from schemas.topics import CONTACT_EVENTS, Topic

AGREED_SECONDS = 180.0


def holders(settings: Settings) -> dict[str, int]:
    """Worker -> how many partitions of the contacts it holds, as the group's coordinator says."""
    group, found = f"{settings.namespace}deskstream", {}
    with (
        closing(KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)) as admin,
        suppress(KafkaError),  # the first group of a new broker has no coordinator for a moment
    ):
        for member in admin.describe_groups([group])[group]["members"]:
            given = member["member_assignment"]["assigned_partitions"] if member["member_assignment"] else []
            partitions = [each for each in given if each["topic"] == settings.topic(CONTACT_EVENTS)]
            found[member["group_instance_id"]] = sum(len(each["partitions"]) for each in partitions)
    return found


def await_holders(settings: Settings, wanted: dict[str, int]) -> None:
    await_(lambda: holders(settings), wanted)


def await_(ask: Callable[[], Any], wanted: Any) -> None:
    until = time.monotonic() + AGREED_SECONDS
    while (found := ask()) != wanted:
        assert time.monotonic() < until, f"still {found}, not {wanted}, after {AGREED_SECONDS:.0f} s"
        time.sleep(0.2)


def await_committed_to_here(settings: Settings, topic: Topic) -> None:
    """Waits until the workers have committed what a topic holds now, however much follows."""
    consumer = KafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        group_id=f"{settings.namespace}deskstream",
        enable_auto_commit=False,
    )
    with closing(consumer):
        ends = consumer.end_offsets([TopicPartition(settings.topic(topic), p) for p in range(settings.partitions)])
        await_(lambda: all((consumer.committed(each) or 0) >= ends[each] for each in ends), True)
