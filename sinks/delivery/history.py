"""What the delivery sink remembers of a partition: which messages were already dealt with.

It is read from the partition's own `deliveries` when the partition is assigned, newest `limit` records, and kept up
to date while running. Inside that memory a message goes out once, whoever writes it again: a worker that replays, a
sink that restarts. Only a kill between the SMTP answer and the durable delivery fact can repeat a message; it then
carries the same Message-ID. An SMS service is asked for what a killed sink may have begun with (`Tried`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from aiokafka import TopicPartition

from schemas.codec import decode
from schemas.errors import CodecError
from schemas.facts import DeliveryFact
from schemas.settings import SinkSettings
from schemas.topics import DELIVERIES
from sinks import kafka


class Delivered:
    """Outbound ids of one partition with their last outcome; forgets the oldest beyond `limit`.

    Of what was delivered it remembers the ids that the other side gave it, where it gives any (`SM...`).
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._outcomes: dict[str, str] = {}
        self._theirs: dict[str, str] = {}  # their id → our outbound id

    def __len__(self) -> int:
        return len(self._outcomes)

    def add(self, outbound_id: str, outcome: str, theirs: Iterable[str] = ()) -> None:
        """A later outcome replaces an earlier one, but `delivered` stays."""
        self._theirs |= dict.fromkeys(theirs, outbound_id)
        if self._outcomes.pop(outbound_id, "") == "delivered":
            outcome = "delivered"
        self._outcomes[outbound_id] = outcome
        while len(self._outcomes) > self._limit:
            del self._outcomes[next(iter(self._outcomes))]
        while len(self._theirs) > self._limit:
            del self._theirs[next(iter(self._theirs))]

    def is_of_another(self, theirs: str, outbound_id: str) -> bool:
        """Whether an id of the other side's belongs to another message than this one."""
        return self._theirs.get(theirs, outbound_id) != outbound_id

    def done(self, outbound_id: str, *, asked_again: bool) -> bool:
        """Is there nothing left to do? `asked_again`: a person replayed it, so only a delivery counts as done."""
        outcome = self._outcomes.get(outbound_id, "")
        return outcome == "delivered" if asked_again else outcome != ""


def their_ids(channel: str, outcome: str, detail: str) -> list[str]:
    """The ids in what the other side said of a delivered message; none where no id is ever asked for."""
    return detail.split() if channel == "sms" and outcome == "delivered" else []


async def remember(settings: SinkSettings, partition: int) -> Delivered:
    """Read the newest delivery facts of a partition, up to its end at this moment."""
    memory = Delivered(settings.delivery_memory_records)
    source = TopicPartition(settings.topic(DELIVERIES), partition)
    consumer = kafka.consumer(settings, None)
    await kafka.start(settings, consumer)
    try:
        consumer.assign([source])
        first = (await consumer.beginning_offsets([source]))[source]
        end = (await consumer.end_offsets([source]))[source]
        consumer.seek(source, max(first, end - settings.delivery_memory_records))
        while await consumer.position(source) < end:
            for records in (await consumer.getmany(timeout_ms=200, max_records=2000)).values():
                recall(memory, records)
            await asyncio.sleep(0)
    finally:
        await consumer.stop()
    return memory


def recall(memory: Delivered, records: Iterable[Any]) -> None:
    """Take delivery facts in log order; anything else on the topic is somebody else's business."""
    for record in records:
        try:
            fact = decode(record.value or b"")
        except CodecError:
            continue
        if isinstance(fact, DeliveryFact):
            memory.add(fact.outbound_id, fact.outcome, their_ids(fact.channel, fact.outcome, fact.detail))
