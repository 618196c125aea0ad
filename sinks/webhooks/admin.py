"""Sends a ping, or the dead letters of a subscription: the commands `webhooks test` and `webhooks replay`.

A dead letter goes straight to its receiver, signed, with the `Deskstream-Delivery` that it had. It does not go back to
its topic, where other subscriptions and sinks would read it a second time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from schemas import identity
from schemas.clock import from_micros
from schemas.codec import decode
from schemas.dead_letter import reader
from schemas.dead_letter.record import DeadLetter
from schemas.errors import CodecError
from schemas.facts import Fact
from schemas.settings import SinkSettings
from sinks import kafka
from sinks.dead_letters import reader as dead_letters_reader
from sinks.webhooks import retry_decision
from sinks.webhooks.delivery_log import DeliveryLog
from sinks.webhooks.payload import body, name_of
from sinks.webhooks.receiver import producer_of
from sinks.webhooks.retry_decision import Answer, RetryDecision
from sinks.webhooks.sender import Sender
from sinks.webhooks.signing import delivery_id
from sinks.webhooks.subscriptions import Subscription

__all__ = ["Replayed", "ping", "replay", "waiting"]


@dataclass(frozen=True, slots=True)
class Replayed:
    """The result of a replay: how many were delivered, how many stay, and one line for each that was refused."""

    delivered: int
    left: int
    problems: tuple[str, ...] = ()


async def ping(settings: SinkSettings, subscription: Subscription) -> Answer:
    """Sends a signed `ping`, which is no fact and is not recorded in the delivery log."""
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


async def waiting(settings: SinkSettings, subscription: Subscription) -> list[DeadLetter]:
    """Returns the dead letters of a subscription that were not replayed, oldest first."""
    producer = producer_of(subscription.name)
    return [dead_letter for dead_letter in await reader.dead_letters(settings) if dead_letter.producer == producer]


async def replay(settings: SinkSettings, subscription: Subscription, dead_letters: Sequence[DeadLetter]) -> Replayed:
    """Sends dead letters again, in order. One that is refused stays; a receiver that does not work ends the replay.

    Raises:
        Unavailable: Kafka does not answer.
    """
    producer, sender = kafka.producer(settings), Sender(subscription, settings)
    delivered, problems = 0, []
    try:
        await kafka.start(settings, producer)
        delivery_log = DeliveryLog(settings, producer)
        for dead_letter in dead_letters:
            answer, decision = await _replay_one(subscription, dead_letter, sender, delivery_log)
            if isinstance(decision, retry_decision.Accepted):
                await dead_letters_reader.mark(settings, producer, [dead_letter])
                delivered += 1
                continue
            status = f"{answer.status_text}: " if answer.status else ""
            problems.append(f"{dead_letter.place}: {status}{answer.detail}")
            if not isinstance(decision, retry_decision.GiveUp):
                break
    finally:
        await sender.close()
        await producer.stop()
    return Replayed(delivered, len(dead_letters) - delivered, tuple(problems))


async def _replay_one(
    subscription: Subscription, dead_letter: DeadLetter, sender: Sender, delivery_log: DeliveryLog
) -> tuple[Answer, RetryDecision]:
    """Sends one dead letter; one that holds no fact is answered without being sent."""
    topic, partition, offset = dead_letter.headers.get("origin", "").split("/")
    try:
        fact = decode(dead_letter.value)
    except CodecError as error:
        return Answer(None, str(error)), retry_decision.GiveUp("codec")
    if not isinstance(fact, Fact):
        return Answer(None, f"a {type(fact).__name__} is no fact"), retry_decision.GiveUp("no_fact")
    delivery = delivery_id(subscription.name, topic, int(partition), int(offset))
    answer = await sender.post(body(fact, text_only=subscription.text_only), delivery, name_of(type(fact)))
    decision = retry_decision.decide(answer, 1, math.inf, 0.0)
    is_delivered = isinstance(decision, retry_decision.Accepted)
    outcome = retry_decision.Accepted.outcome if is_delivered else retry_decision.Retry.outcome  # it stays
    await delivery_log.write(subscription.name, delivery, fact, int(partition), 1, outcome, answer)
    return answer, decision
