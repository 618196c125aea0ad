"""The suggester's loop on a real broker: contact facts in, events out, committed, and unreadable records left alone."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from schemas.codec import decode, encode
from schemas.events import TagSuggested
from schemas.facts import ContactFact
from schemas.process import Health
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


@pytest.mark.stack
def test_what_a_customer_wrote_becomes_one_event_in_the_log_of_contacts(deployment: Any) -> None:
    settings = deployment.settings(WorkerSettings)
    servers = settings.kafka_bootstrap_servers
    suggester = TagSuggester(settings, ruleset.load().taxonomy, always("product.smell"), Health())

    async def write_until_read() -> TagSuggested:
        running = asyncio.create_task(suggester.run())
        events = AIOKafkaConsumer(
            settings.topic(CONTACT_EVENTS), bootstrap_servers=servers, auto_offset_reset="earliest"
        )
        producer = AIOKafkaProducer(bootstrap_servers=servers)
        async with events, producer:
            number = 0
            while True:
                assert not running.done(), running
                number += 1
                fact = ContactFact(
                    customer_tag="AAAAAAAAAAAA", version=number, partition=0, at=5, received_at=5, direction="in",
                    event_id=f"e{number}", kind="message_received", ticket_id="AAAAAAAAAAAA-1", text="phew", language="en",
                )  # fmt: skip
                for value in (b"no record of ours", encode(fact)):
                    await producer.send_and_wait(settings.topic(CONTACT_FACTS), value, key=b"AAAAAAAAAAAA")
                if fetched := await events.getmany(timeout_ms=500):
                    suggester.stop()
                    await running
                    [record, *_] = [each for records in fetched.values() for each in records]
                    assert record.key == b"AAAAAAAAAAAA"
                    return decode(record.value)  # type: ignore[no-any-return]

    event = asyncio.run(asyncio.wait_for(write_until_read(), 120))
    assert (event.tag, event.certain, event.ticket_id, event.model) == ("product.smell", True, "AAAAAAAAAAAA-1", "m1")
