"""What people do by hand with a subscription: send a ping, and send dead letters again once their cause is mended.

A letter goes straight to its receiver, signed, with the `Deskstream-Delivery` that it always had; it does not pass
through its topic again, where other subscriptions and sinks would meet it a second time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from schemas import identity
from schemas.clock import from_micros
from schemas.codec import decode
from schemas.dead_letter import reader
from schemas.dead_letter.record import Letter
from schemas.errors import CodecError
from schemas.facts import Fact
from schemas.settings import SinkSettings
from sinks import kafka
from sinks.dead_letters import reader as dead_letters_reader
from sinks.webhooks.delivery_log import Journal
from sinks.webhooks.dispatch import producer_of
from sinks.webhooks.payload import body, name_of
from sinks.webhooks.retry_decision import Answer, Verdict, judge
from sinks.webhooks.sender import Sender
from sinks.webhooks.signing import delivery_id
from sinks.webhooks.subscriptions import Subscription

__all__ = ["Replayed", "ping", "replay", "waiting"]


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many letters were taken, how many stay, and why, one line for each that was tried."""

    taken: int
    left: int
    problems: tuple[str, ...] = ()


async def ping(settings: SinkSettings, subscription: Subscription) -> Answer:
    """Send a signed `ping`, which is no fact and stands in no log."""
    now = settings.pipeline_clock.now()
    delivery = identity.event_id("webhook-ping", subscription.name, str(time.time_ns()))
    raw = msgspec.json.encode(
        {"id": delivery, "type": "ping", "occurred_at": from_micros(now).isoformat(), "version": 0, "data": {}}
    )
    sender = Sender(subscription, settings)
    try:
        return await sender.post(raw, delivery, "ping")
    finally:
        await sender.close()


async def waiting(settings: SinkSettings, subscription: Subscription) -> list[Letter]:
    """The dead letters of a subscription that were not replayed, oldest first."""
    whose = producer_of(subscription.name)
    return [letter for letter in await reader.letters(settings) if letter.producer == whose]


async def replay(settings: SinkSettings, subscription: Subscription, letters: Sequence[Letter]) -> Replayed:
    """Send letters again, in order. One that is refused stays, and the next is tried; a receiver that fails ends it.

    Raises:
        Unavailable: Kafka does not answer.
    """
    producer, sender = kafka.producer(settings), Sender(subscription, settings)
    taken, problems = 0, []
    try:
        await kafka.start(settings, producer)
        journal = Journal(settings, producer)
        for letter in letters:
            answer = await _again(subscription, letter, sender, journal)
            verdict = judge(answer.status)
            if verdict is Verdict.DELIVERED:
                await dead_letters_reader.mark(settings, producer, [letter])
                taken += 1
                continue
            problems.append(f"{letter.place}: {f'HTTP {answer.status}: ' if answer.status else ''}{answer.detail}")
            if verdict is not Verdict.NEVER and answer.seconds:
                break
    finally:
        await sender.close()
        await producer.stop()
    return Replayed(taken, len(letters) - taken, tuple(problems))


async def _again(subscription: Subscription, letter: Letter, sender: Sender, journal: Journal) -> Answer:
    """Send one letter; without any seconds when there is nothing in it to send."""
    topic, partition, offset = letter.headers.get("origin", "").split("/")
    try:
        fact = decode(letter.value)
    except CodecError as error:
        return Answer(None, str(error))
    if not isinstance(fact, Fact):
        return Answer(None, f"a {type(fact).__name__} is no fact")
    delivery = delivery_id(subscription.name, topic, int(partition), int(offset))
    answer = await sender.post(body(fact), delivery, name_of(type(fact)))
    outcome = "delivered" if judge(answer.status) is Verdict.DELIVERED else "retried"  # the letter stays
    await journal.write(subscription.name, delivery, fact, int(partition), 1, outcome, answer)
    return answer
