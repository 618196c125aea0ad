"""Runs the suggester's loop on a broker until its first event."""

from __future__ import annotations

import asyncio

import numpy as np
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from schemas.codec import decode, encode
from schemas.events import TagSuggested
from schemas.facts import ContactFact
from schemas.kafka_security import security
from schemas.process import Health
from schemas.record_key import name_of
from schemas.settings import WorkerSettings
from schemas.topics import CONTACT_EVENTS, CONTACT_FACTS
from stream_processors.rules import ruleset
from stream_processors.tagging.suggest import TagSuggester
from stream_processors.tagging.suggester import Calibration, Model, Suggester


def always(tag: str) -> Suggester:
    """Returns a suggester that is certain of one tag."""
    sure = Calibration(np.array([0, 1], np.float32), np.array([1, 1], np.float32), np.ones(1, np.float32))
    model = Model({"version": "m1"}, (tag,), np.zeros((1, 1), np.float32), np.zeros(1, np.float32), {"en": sure})
    return Suggester(model, lambda texts: np.zeros((len(texts), 1), np.float32))


async def first_suggestion(settings: WorkerSettings, others: WorkerSettings) -> TagSuggested:
    """Returns what the suggester appends for a customer who writes until it does. `others` are those of writer and reader."""
    suggester = TagSuggester(settings, ruleset.load().taxonomy, always("product.smell"), Health())
    running = asyncio.create_task(suggester.run())
    given = {"bootstrap_servers": others.kafka_bootstrap_servers, **security(others)}
    events = AIOKafkaConsumer(others.topic(CONTACT_EVENTS), auto_offset_reset="earliest", **given)
    producer = AIOKafkaProducer(**given)
    async with events, producer:
        number = 0
        while True:
            if running.done():
                running.result()
            number += 1
            fact = ContactFact(
                customer_tag="AAAAAAAAAAAA", version=number, partition=0, at=5, received_at=5, direction="in",
                event_id=f"e{number}", kind="message_received", ticket_id="AAAAAAAAAAAA-1", text="phew", language="en",
            )  # fmt: skip
            for value in (b"no record of ours", encode(fact)):
                await producer.send_and_wait(others.topic(CONTACT_FACTS), value, key=b"AAAAAAAAAAAA")
            for records in (await events.getmany(timeout_ms=500)).values():
                for record in records:
                    if isinstance(found := decode(record.value), TagSuggested):
                        suggester.stop()
                        await running
                        assert name_of(record.key) == b"AAAAAAAAAAAA"
                        return found
