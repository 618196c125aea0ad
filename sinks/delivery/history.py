"""Remembers the outcomes of a partition's messages, so that each goes out once.

The newest `delivery_memory_records` facts of the partition's `deliveries` are read when it is assigned; its own outcomes
are added. A message in the history is not sent again, whether a worker replays it or a sink restarts. Only a kill between
the SMTP answer and the durable delivery fact can repeat a message; it then carries the same Message-ID. An SMS service is
asked for messages that a killed sink may have begun to send (`Attempt`).
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

#: Reports come within days; so many mails of a partition are remembered for them.
MOST_MAILS = 100_000


class DeliveryHistory:
    """Holds the last outcome of each outbound id of one partition; forgets the oldest beyond `limit`.

    For delivered messages it also holds the service's own ids, where it gives any (`SM...`), and for the newest mails to whom
    they went, as digests: a report about anything else is none of ours.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._outcomes: dict[str, str] = {}
        self._theirs: dict[str, str] = {}  # their id → our outbound id
        self._mails: dict[int, str] = {}  # key of the Message-ID → keys of the recipients

    def __len__(self) -> int:
        return len(self._outcomes)

    def add(self, outbound_id: str, outcome: str, theirs: Iterable[str] = ()) -> None:
        """Adds an outcome, which replaces an earlier one; `delivered` stays."""
        self._theirs |= dict.fromkeys(theirs, outbound_id)
        if self._outcomes.pop(outbound_id, "") == "delivered":
            outcome = "delivered"
        self._outcomes[outbound_id] = outcome
        while len(self._outcomes) > self._limit:
            del self._outcomes[next(iter(self._outcomes))]
        while len(self._theirs) > self._limit:
            del self._theirs[next(iter(self._theirs))]

    def add_mail(self, message_key: int, address_keys: Iterable[str]) -> None:
        """Adds a mail that was handed over; forgets the oldest beyond MOST_MAILS."""
        self._mails.pop(message_key, None)
        self._mails[message_key] = " ".join(address_keys)
        while len(self._mails) > min(self._limit, MOST_MAILS):
            del self._mails[next(iter(self._mails))]

    def recipients(self, message_key: int) -> list[str]:
        """Returns the keys of the addresses that a mail went to; none of a mail that we do not remember."""
        return self._mails.get(message_key, "").split()

    def is_of_another(self, theirs: str, outbound_id: str) -> bool:
        """Tells whether an id of the service belongs to another message than this one."""
        return self._theirs.get(theirs, outbound_id) != outbound_id

    def done(self, outbound_id: str, *, is_replay: bool) -> bool:
        """Tells whether a message needs nothing more; one that a person replayed only once it was delivered."""
        outcome = self._outcomes.get(outbound_id, "")
        return outcome == "delivered" if is_replay else outcome != ""


def their_ids(channel: str, outcome: str, detail: str) -> list[str]:
    """Returns the service's ids of a delivered message; none for a channel whose service is never asked for one."""
    return detail.split() if channel == "sms" and outcome == "delivered" else []


async def read_history(settings: SinkSettings, partition: int) -> DeliveryHistory:
    """Reads the newest delivery facts of a partition, up to its end at this moment.

    Raises:
        Unavailable: Kafka does not answer.
    """
    history = DeliveryHistory(settings.delivery_memory_records)
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
                add_facts(history, records)
            await asyncio.sleep(0)
    finally:
        await consumer.stop()
    return history


def add_facts(history: DeliveryHistory, records: Iterable[Any]) -> None:
    """Adds delivery facts in log order; skips the topic's other records."""
    for record in records:
        try:
            fact = decode(record.value or b"")
        except CodecError:
            continue
        if isinstance(fact, DeliveryFact):
            history.add(fact.outbound_id, fact.outcome, their_ids(fact.channel, fact.outcome, fact.detail))
            if fact.address_keys:
                history.add_mail(fact.message_key, fact.address_keys)
