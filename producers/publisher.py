"""The only Kafka client of the producers: events and dead letters, durable before the source is told "received".

An input that Kafka did not take is counted nowhere: its source keeps it and offers it again. The parts are in
`publishing/`: the connection, the records on their way, the ids that were published, and the receipts.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, Protocol

from kafka.errors import KafkaError

from producers.customers.brands import BrandChooser
from producers.publishing.connection import CONNECT_SECONDS, Connection
from producers.publishing.deliveries import Deliveries, Delivery
from producers.publishing.published_ids import PublishedIds
from producers.publishing.receipts import NO_CHANNEL, Outcome, Receipt, count
from producers.publishing.records import MAX_RECORD_BYTES, dead_letter_of, encoded, key_of, name_of_key
from producers.publishing.reply_advice import ReplyAdvice
from schemas import codec
from schemas.dead_letter.headers import InputContext
from schemas.dead_letter.record import DeadLetter
from schemas.dead_letter.replay_markers import REPLAY_HEADER, replay_marker
from schemas.errors import Refused
from schemas.events import Event
from schemas.record_key import name_of, record_key
from schemas.settings import ProducerSettings
from schemas.text import error_line
from schemas.topics import CONTACT_EVENTS, TOPIC_OF

__all__ = [
    "MAX_RECORD_BYTES",
    "NO_CHANNEL",
    "Enrich",
    "Outcome",
    "Publisher",
    "Receipt",
    "encoded",
    "key_of",
    "name_of_key",
]


#: Kafka takes a record within milliseconds when it is well.
STALL_SECONDS = 4.0


class Enrich(Protocol):
    """Adds to every event, on every channel, before it is published. Takes bounded time and never raises."""

    def __call__(self, event: Event) -> Event:
        """Returns the enriched event; may block."""

    async def later(self, event: Event) -> Event:
        """Returns the enriched event without blocking the event loop."""


class Publisher:
    """Publishes events and dead letters; safe to use from several threads and from an event loop.

    `submit*` hand over and return a future at once, `publish`/`dead_letter` wait, `*_async` wait without blocking
    the event loop. Each ends in a `Receipt` once Kafka has the record on all in-sync replicas (of three, at least two:
    `schemas/admin.py`), or in `Unavailable`.
    """

    def __init__(self, settings: ProducerSettings, *, linger_ms: int = 0, enrich: Enrich | None = None) -> None:
        self.settings = settings
        self._enrich, self.brands = enrich, BrandChooser(settings.brands_file, settings.mail_domain)
        self._advice = ReplyAdvice(settings.replies_dir)
        self._clock = settings.pipeline_clock
        self._connection = Connection(settings, linger_ms)
        self._ids = PublishedIds()
        self._deliveries = Deliveries(self._connection, self._ids)
        self._topics = {kind: settings.topic(topic) for kind, topic in TOPIC_OF.items()}
        self._dlq = settings.namespace + CONTACT_EVENTS.dlq

    # the connection

    @property
    def connected(self) -> bool:
        """Says whether the last thing that Kafka did was to answer."""
        return self._connection.client is not None

    @property
    def waiting(self) -> int:
        """Counts the records that were handed over and are not answered yet."""
        return self._deliveries.records

    def problem(self) -> str:
        """Returns why Kafka takes nothing right now; "" when it does, as far as we know. Asks it; never blocks."""
        if (seconds := self._deliveries.stalled_seconds()) > STALL_SECONDS:
            return f"Kafka has taken nothing for {seconds:.0f} s"
        why = self._connection.ask()
        return f"Kafka at {self.settings.kafka_bootstrap_servers}: {why}" if why else ""

    def connect(self) -> None:
        """Reaches Kafka and checks that our topics are there; does nothing when connected. Blocks for seconds.

        Raises:
            Unavailable: no broker answers, or a topic is missing.
            TopicMismatch: a topic has another partition count than this deployment says.
        """
        self._connection.connect()

    def close(self, timeout: float | None = None) -> None:
        """Waits for what is in flight, then closes. Never raises: whoever cares waits for the futures."""
        self._connection.close(timeout)

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # events

    def submit(
        self,
        event: Event,
        *,
        raw: bytes = b"",
        given: InputContext | None = None,
        producer: str = "",
        origin: str = "",
        kept_at: str = "",
        replay_of: str = "",
    ) -> Future[Receipt]:
        """Hands an event over; the future ends in its receipt or in `Unavailable`.

        An event that Kafka could never take (too large, not encodable) becomes a dead letter of `raw` and what the
        channel was given beside it (`given`). `replay_of` is the place of the dead letter that the event was
        made of. Connects when needed, and waits for what the directory knows of the customer; an event loop calls
        `publish_async` instead.
        """
        if self._enrich is not None:
            event = self._enrich(event)
        return self._submit(
            event, raw=raw, given=given, producer=producer, origin=origin, kept_at=kept_at, replay_of=replay_of
        )

    def _submit(self, event: Event, *, raw: bytes = b"", replay_of: str = "", **about: Any) -> Future[Receipt]:
        event = self._advice.noted(self.brands.decided(event))
        try:
            value = encoded(event)
        except Refused as refused:
            return self.submit_dead_letter(raw, refused, channel=event.channel, stage="encode", **about)
        result: Future[Receipt] = Future()
        twin = self._ids.claim(event.event_id, result)
        if twin is not None:
            _follow(twin, result, event)
            return result
        delivery = Delivery(self._deliveries, result, event.channel, Receipt(Outcome.PUBLISHED, event.event_id))
        headers = [(REPLAY_HEADER, replay_of.encode())] if replay_of else []
        self._deliveries.send(delivery, self._topics[type(event)], key_of(event), value, headers)
        return result

    def publish(self, event: Event, **about: Any) -> Receipt:
        """Does `submit` and waits.

        Raises:
            Unavailable: Kafka does not have it; offer it again.
        """
        return self.wait(self.submit(event, **about))

    def publish_many(self, events: Iterable[Event]) -> list[Receipt]:
        """Submits all and waits for all; returns the receipts in the order of the events.

        Raises:
            Unavailable: Kafka lacks at least one of them; offer all again, those it has are duplicates then.
        """
        return [self.wait(future) for future in [self.submit(event) for event in events]]

    async def publish_async(self, event: Event, **about: Any) -> Receipt:
        """Does `publish` for an event loop: raises `Unavailable` at once while not connected or when too many wait."""
        self._deliveries.require_room()
        if self._enrich is not None:
            event = await self._enrich.later(event)
            self._deliveries.require_room()  # Kafka may have gone meanwhile, and to connect would hold up the event loop
        return await self._await(self._submit(event, **about))

    def remember(self, event_id: str) -> None:
        """Notes that Kafka has this event, as its log says: offered again, it is a duplicate, also after a restart."""
        self._ids.remember(event_id)

    def signal(self, event: Event) -> None:
        """Sends what nobody misses when it is lost (somebody is typing): not waited for, not counted, not sent again."""
        if (client := self._connection.client) is not None:
            with contextlib.suppress(KafkaError):
                client.send(self._topics[type(event)], codec.encode(event), key_of(event))

    # dead letters

    def submit_dead_letter(
        self,
        raw: bytes,
        refused: Refused,
        *,
        channel: str,
        given: InputContext | None = None,
        producer: str = "",
        origin: str = "",
        stage: str = "normalise",
        kept_at: str = "",
        traceback: str = "",
        total_bytes: int | None = None,
    ) -> Future[Receipt]:
        """Hands a dead letter over: the raw bytes as value (card numbers masked), the story in the headers.

        With what the channel was given beside the bytes (`given`), `python -m producers replay` can take it again.
        Beyond `MAX_RECORD_BYTES` only the first part is sent; `truncated` then holds the whole length in bytes and
        `kept-at` where the source keeps the whole. `total_bytes` is that length when `raw` was cut by the caller.
        """
        record = dead_letter_of(
            raw,
            refused,
            at=self._clock.now(),
            given=given,
            producer=producer,
            origin=origin,
            stage=stage,
            kept_at=kept_at,
            traceback=traceback,
            total_bytes=total_bytes,
        )
        result: Future[Receipt] = Future()
        receipt = Receipt(Outcome.DEAD_LETTERED, reason=refused.reason)
        delivery = Delivery(self._deliveries, result, channel, receipt)
        self._deliveries.send(delivery, self._dlq, record_key(name_of(record.key)), record.value, record.headers)
        return result

    def dead_letter(self, raw: bytes, refused: Refused, **about: Any) -> Receipt:
        """Does `submit_dead_letter` and waits.

        Raises:
            Unavailable: Kafka does not have it; offer it again.
        """
        return self.wait(self.submit_dead_letter(raw, refused, **about))

    async def dead_letter_async(self, raw: bytes, refused: Refused, **about: Any) -> Receipt:
        """Does `dead_letter` for an event loop."""
        self._deliveries.require_room()
        return await self._await(self.submit_dead_letter(raw, refused, **about))

    def mark_replayed(self, dead_letters: Sequence[DeadLetter]) -> None:
        """Marks these dead letters as replayed, durably: no replay takes them again.

        Raises:
            Unavailable: Kafka does not have it; the next replay finds that their events are known already.
        """
        client, now = self._connection.connect(), self._clock.now()
        try:
            sent = [
                client.send(
                    dead_letter.topic,
                    b"",
                    record_key(name_of(dead_letter.key)),
                    replay_marker(dead_letter, now),
                    dead_letter.partition,
                )
                for dead_letter in dead_letters
            ]
            for mark in sent:
                mark.get(self.settings.publish_timeout_seconds + CONNECT_SECONDS)
        except KafkaError as error:
            raise self._connection.no_answer(error_line(error)) from error

    # waiting

    def wait(self, future: Future[Receipt]) -> Receipt:
        """Returns the receipt of something submitted, when Kafka has it.

        Raises:
            Unavailable: Kafka does not have it; offer it again.
        """
        try:
            return future.result(self.settings.publish_timeout_seconds + CONNECT_SECONDS)
        except FutureTimeout as error:
            raise self._connection.no_answer("it took too long") from error

    async def _await(self, future: Future[Receipt]) -> Receipt:
        # Shielded: a caller that goes away must not cancel what Kafka may already have.
        timeout_seconds = self.settings.publish_timeout_seconds + 1.0
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), timeout_seconds)
        except TimeoutError as error:
            raise self._connection.no_answer("it took too long") from error


def _follow(twin: Future[Receipt], result: Future[Receipt], event: Event) -> None:
    """Ends the future of a duplicate when that of its twin ends: it is received when its twin is."""

    def settled(done: Future[Receipt]) -> None:
        if error := done.exception():
            result.set_exception(error)
        else:
            receipt = Receipt(Outcome.DUPLICATE, event.event_id)
            count(event.channel, receipt)
            result.set_result(receipt)

    twin.add_done_callback(settled)
