"""Reads state and lag of the subscriptions from the commits of their consumer groups, without asking the process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from schemas.dead_letter import reader
from schemas.errors import Unavailable
from schemas.kafka_security import security
from schemas.settings import SinkSettings
from sinks import kafka
from sinks.webhooks.subscriptions import Subscription

__all__ = ["SubscriptionStatus", "state_of", "statuses"]


@dataclass(frozen=True, slots=True)
class SubscriptionStatus:
    """The status of one subscription.

    state  `disabled new closed half_open open off`
    since  wall seconds since 1970; 0 is unknown
    lag    in records, also those that it does not want
    """

    subscription: Subscription
    state: str
    since: int
    lag: int


async def statuses(settings: SinkSettings, subscriptions: Sequence[Subscription]) -> list[SubscriptionStatus]:
    """Returns the status of each subscription, in order.

    Raises:
        Unavailable: Kafka does not answer.
    """
    consumer = kafka.consumer(settings, None)
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers, **security(settings))
    await kafka.start(settings, consumer)
    try:
        await admin.start()
        names = {settings.topic(topic) for each in subscriptions for topic in each.topics}
        places = await reader.partitions(consumer, names)
        first, end = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
        found = []
        for each in subscriptions:
            committed = await admin.list_consumer_group_offsets(settings.group(each.group))
            topics = {settings.topic(topic) for topic in each.topics}
            lag = sum(
                max(0, end[place] - max(first[place], committed[place].offset if place in committed else 0))
                for place in places
                if place.topic in topics
            )
            state, since = state_of(_texts(committed, topics))
            found.append(SubscriptionStatus(each, state if each.enabled else "disabled", since, lag))
        return found
    except (KafkaError, OSError) as error:
        raise Unavailable(f"Kafka at {settings.kafka_bootstrap_servers} does not answer: {error}") from error
    finally:
        await admin.close()
        await consumer.stop()


def state_of(texts: Iterable[str]) -> tuple[str, int]:
    """Returns the newest state, and since when, of the texts in a group's commits, such as `open@1772409600`."""
    newest, state = -1, "new"
    for text in texts:
        word, _, at = text.partition("@")
        if at.isdigit() and int(at) > newest:
            newest, state = int(at), word
    return state, max(newest, 0)


def _texts(committed: dict[TopicPartition, OffsetAndMetadata], topics: set[str]) -> list[str]:
    return [what.metadata for place, what in committed.items() if place.topic in topics and what.metadata]
