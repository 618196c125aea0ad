"""Sends the facts of one subscription to its receiver, and sees each through to an outcome.

| state of the breaker  | facts that were read                                                      |
|-----------------------|---------------------------------------------------------------------------|
| closed                | are tried, again for `webhook_retry_seconds`, then become dead letters    |
| open, half-open       | wait; one after the other is the probe; this time does not count as tried |
| off (410)             | are given back unfinished; a restart tries them again                     |
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer

from schemas.circuit_breaker import CircuitBreaker, State
from schemas.errors import DeskstreamError
from schemas.facts import Fact
from schemas.metrics import WEBHOOK_BREAKER
from schemas.process import Health
from schemas.settings import SinkSettings
from schemas.topics import DEAD_LETTERS, FACT_TOPICS
from sinks import kafka
from sinks.webhooks.delivery_log import DeliveryLog
from sinks.webhooks.payload import body, name_of
from sinks.webhooks.probe_queue import ProbeQueue
from sinks.webhooks.retry_decision import (
    SWITCH_OFF_STATUS,
    Answer,
    GiveUp,
    Retry,
    RetryDecision,
    SwitchOff,
    decide,
    receiver_works,
)
from sinks.webhooks.sender import Sender
from sinks.webhooks.signing import delivery_id
from sinks.webhooks.subscriptions import Subscription

__all__ = ["DLQ", "SINK", "NotTaken", "Receiver", "producer_of", "state_text"]

SINK = "webhooks"
DLQ = next(topic for topic in DEAD_LETTERS if topic.name == FACT_TOPICS[0].dlq)
log = structlog.get_logger()


class NotTaken(DeskstreamError):
    """A receiver refused a fact, or did not answer in time."""

    dead_letter_kind = "refused"


def producer_of(subscription: str) -> str:
    """Returns the command that can replay a dead letter of a subscription, as the dead letter names it."""
    return f"webhooks replay {subscription}"


def state_text(state: State, wall: float) -> str:
    """Returns a state as commits carry it: `open@1772409600`."""
    return f"{state.name.lower()}@{int(wall)}"


class Receiver:
    """Holds the connections, the breaker and the delivery log of one subscription.

    At most `webhook_in_flight` attempts run at once. Call `open` inside the event loop before `see_through`.
    """

    def __init__(
        self, subscription: Subscription, settings: SinkSettings, producer: AIOKafkaProducer, health: Health
    ) -> None:
        self._subscription, self._settings, self._health = subscription, settings, health
        self._log = log.bind(subscription=subscription.name)
        self._dead_letters = kafka.DeadLetters(settings, producer, SINK, DLQ)
        self._delivery_log = DeliveryLog(settings, producer, self._problem)
        self._sender: Sender
        self._in_flight = asyncio.Semaphore(settings.webhook_in_flight)
        #: Tasks between the beginning of an attempt and its record in the delivery log.
        self._attempting: set[asyncio.Task[Any] | None] = set()
        self.breaker = ProbeQueue(
            CircuitBreaker(settings.webhook_breaker_failures, settings.webhook_breaker_seconds), self._breaker_changed
        )
        #: The breaker's state since when, as commits carry it.
        self.state_text = state_text(State.CLOSED, time.time())
        WEBHOOK_BREAKER.labels(subscription.name).set(State.CLOSED.value)

    def open(self) -> None:
        """Prepares the connections; needs a running event loop."""
        self._sender = Sender(self._subscription, self._settings)

    async def close(self) -> None:
        """Closes the connections."""
        await self._sender.close()

    def is_attempting(self, task: asyncio.Task[None]) -> bool:
        """Tells whether a task is in an attempt that the delivery log does not have yet."""
        return task in self._attempting

    async def see_through(self, record: Any, fact: Fact) -> None:
        """Sends a fact until it is delivered or a dead letter.

        Raises:
            CancelledError: the receiver wants nothing more: the fact is given back unfinished.
            KafkaError: Kafka does not take the delivery log or the dead letter.
        """
        task = asyncio.current_task()
        try:
            match await self._try_until_decided(record, fact):
                case GiveUp(reason), Answer() as answer:
                    refusal = f"{self._subscription.name}: {answer.status_text}: {answer.detail}"
                    await self.dead_letter(record, reason, NotTaken(refusal))
                case SwitchOff(), _:
                    raise asyncio.CancelledError
        finally:
            self._attempting.discard(task)

    async def _try_until_decided(self, record: Any, fact: Fact) -> tuple[RetryDecision, Answer]:
        """Attempts a fact until the decision is not to retry it; returns that decision and the last answer."""
        name = self._subscription.name
        delivery = delivery_id(name, record.topic, record.partition, record.offset)
        raw, kind, attempt = body(fact, text_only=self._subscription.text_only), name_of(type(fact)), 0
        began, open_before = time.monotonic(), self.breaker.open_seconds
        while True:
            attempt += 1
            answer = await self._attempt(raw, delivery, kind)
            tried_seconds = time.monotonic() - began - (self.breaker.open_seconds - open_before)
            seconds_left = self._settings.webhook_retry_seconds - tried_seconds
            decision = decide(answer, attempt, seconds_left, random.random())
            await self._delivery_log.write(name, delivery, fact, record.partition, attempt, decision.outcome, answer)
            if not isinstance(decision, Retry):
                return decision, answer
            self._attempting.discard(asyncio.current_task())
            await asyncio.sleep(decision.wait_seconds)

    async def _attempt(self, raw: bytes, delivery: str, kind: str) -> Answer:
        """Sends a fact once, when fewer than `webhook_in_flight` are being sent and the breaker allows it."""
        async with self._in_flight:
            number = await self.breaker.enter()
            self._attempting.add(asyncio.current_task())
            try:
                answer = await self._sender.post(raw, delivery, kind)
            except BaseException:
                self.breaker.abandoned(number)
                raise
            self._count(number, answer)
            return answer

    def _count(self, attempt: int, answer: Answer) -> None:
        """Tells the breaker how an attempt went."""
        if answer.retry_after and answer.status in (429, 503):
            self.breaker.pause(answer.retry_after)
        if answer.status == SWITCH_OFF_STATUS:
            self._switch_off(answer)
        elif receiver_works(answer.status):
            self.breaker.succeeded(attempt)
        else:
            self.breaker.failed(attempt)
            self._log.debug("webhook_failed", status=answer.status, detail=answer.detail)

    async def dead_letter(self, record: Any, reason: str, error: Exception) -> None:
        """Writes a dead letter that only `webhooks replay` can replay; returns when it is durable."""
        self._log.warning("webhook_dead_letter", reason=reason, error=str(error)[:300])
        await self._dead_letters.write([(record, reason, error)], producer=producer_of(self._subscription.name))

    def _switch_off(self, answer: Answer) -> None:
        if self.breaker.state is not State.OFF:
            self.breaker.switch_off()
            self._log.error("subscription_switched_off", status=answer.status, detail=answer.detail, fix="see the URL")

    def _breaker_changed(self, state: State) -> None:
        WEBHOOK_BREAKER.labels(self._subscription.name).set(state.value)
        self.state_text = state_text(state, time.time())
        if state is not State.HALF_OPEN:
            write = self._log.info if state is State.CLOSED else self._log.warning
            write("breaker", state=state.name.lower())

    def _problem(self, text: str) -> None:
        self._health.problem = text
