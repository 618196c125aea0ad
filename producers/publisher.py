"""The only Kafka client of the producers: events and dead letters, durable before the source is told "received".

For every input exactly one of published, duplicate and dead-lettered is counted, at the moment it is durable, so
`received = published + duplicates + dead-lettered` always holds. An input that Kafka did not take is counted
nowhere: its source keeps it and offers it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Protocol

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError

from producers.text import privacy
from schemas import codec, metrics
from schemas.dead_letter import writer
from schemas.dead_letter.headers import Headers, InputContext
from schemas.dead_letter.record import DeadLetter
from schemas.dead_letter.replay_markers import REPLAY_HEADER, replay_marker
from schemas.errors import BrokenBody, Refused, TopicMismatch, Unavailable
from schemas.events import Event, PresenceChanged
from schemas.kafka_security import security
from schemas.settings import ProducerSettings
from schemas.text import error_line
from schemas.topics import CHAT_SIGNALS, CONTACT_EVENTS, ROUTING, TOPIC_OF

__all__ = ["MAX_RECORD_BYTES", "NO_CHANNEL", "Enrich", "Outcome", "Publisher", "Receipt", "encoded", "key_of"]

#: The largest value that fits beside key and headers into the 4 MB that our topics accept.
MAX_RECORD_BYTES = 3_900_000
#: The metric label of events that belong to no channel (an agent's note, a presence).
NO_CHANNEL = "none"
#: Event ids remembered in order to count what a source delivers twice; later ones are dropped downstream.
REMEMBERED_IDS = 100_000
#: More events than this waiting for Kafka: an asynchronous caller is told to come back.
MAX_WAITING = 20_000
#: ... and more bytes of them, or a silent Kafka and large inputs would take all of a container's memory.
MAX_WAITING_BYTES = 64_000_000
_CONNECT_SECONDS = 5.0
_DEAD_LETTER_TOPIC = CONTACT_EVENTS.dlq

log = structlog.get_logger("producers.publisher")


class Outcome(StrEnum):
    PUBLISHED = "published"
    DUPLICATE = "duplicate"
    DEAD_LETTERED = "dead_lettered"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one input. `reason` says why it was dead-lettered."""

    outcome: Outcome
    event_id: str = ""
    reason: str = ""


class Enrich(Protocol):
    """What is done to every event before it is published, on every channel. Takes bounded time and never raises."""

    def __call__(self, event: Event) -> Event:
        """May block."""

    async def later(self, event: Event) -> Event:
        """The same without blocking the event loop."""


class Publisher:
    """Publishes events and dead letters; safe to use from several threads and from an event loop.

    `submit*` hand over and return a future at once, `publish`/`dead_letter` wait, `*_async` wait without blocking
    the event loop. Each ends in a `Receipt` once Kafka has the record (acks=all), or in `Unavailable`.
    """

    def __init__(self, settings: ProducerSettings, *, linger_ms: int = 0, enrich: Enrich | None = None) -> None:
        self.settings = settings
        self._enrich = enrich
        self._clock = settings.pipeline_clock
        self._linger_ms = linger_ms
        self._producer: Any = None
        self._connecting = threading.Lock()
        self._ids = threading.Lock()
        self._published: OrderedDict[str, None] = OrderedDict()
        self._waiting: dict[str, Future[Receipt]] = {}
        self._unsettled = self._unsettled_bytes = 0
        self._in_flight: dict[int, set[_Delivery]] = {}  # by id of the client that they were handed to
        self._topics = {kind: settings.topic(topic) for kind, topic in TOPIC_OF.items()}
        self._dlq = settings.namespace + _DEAD_LETTER_TOPIC

    # the connection

    @property
    def connected(self) -> bool:
        """Whether the last thing that Kafka did was to answer."""
        return self._producer is not None

    @property
    def waiting(self) -> int:
        """Records handed over and not yet answered."""
        return self._unsettled

    def connect(self) -> None:
        """Reach Kafka and check that our topics are there; does nothing when connected. Blocks for seconds.

        Raises:
            Unavailable: no broker answers, or a topic is missing.
            TopicMismatch: a topic has another partition count than this deployment says.
        """
        with self._connecting:
            if self._producer is None:
                self._knock()
                self._producer = self._open()

    def close(self, timeout: float | None = None) -> None:
        """Wait for what is in flight, then close. Never raises: whoever cares waits for the futures."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(KafkaError):
                producer.close(self.settings.publish_timeout_seconds if timeout is None else timeout)

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _knock(self) -> None:
        """A plain TCP connection first: the client's own bootstrap waits long and leaves a thread behind."""
        problem: OSError | None = None
        servers = self.settings.kafka_bootstrap_servers
        for server in servers.split(","):
            host, _, port = server.strip().rpartition(":")
            try:
                socket.create_connection((host.strip("[]"), int(port)), timeout=2.0).close()
                return
            except ValueError:
                problem = OSError(f"{server!r} is not host:port")
            except OSError as error:
                problem = error
        raise Unavailable(f"Kafka at {servers} does not answer: {problem}")

    def _open(self) -> Any:
        wait_ms = int(self.settings.publish_timeout_seconds * 1000)
        producer: Any = None
        try:
            producer = KafkaProducer(
                bootstrap_servers=[server.strip() for server in self.settings.kafka_bootstrap_servers.split(",")],
                client_id="deskstream-producer",
                acks="all",
                enable_idempotence=True,
                linger_ms=self._linger_ms,
                batch_size=256 * 1024,
                max_request_size=MAX_RECORD_BYTES + 100_000,
                max_block_ms=min(int(_CONNECT_SECONDS * 1000), wait_ms),
                delivery_timeout_ms=wait_ms + self._linger_ms,
                request_timeout_ms=min(10_000, wait_ms),
                bootstrap_timeout_ms=int(_CONNECT_SECONDS * 1000),
                reconnect_backoff_max_ms=1000,
                allow_auto_create_topics=False,
                metrics_enabled=False,
                **security(self.settings),
            )
            for topic in (self.settings.topic(CONTACT_EVENTS), self.settings.topic(ROUTING), self._dlq):
                self._check_topic(producer, topic)
            with contextlib.suppress(KafkaError):  # so that no `signal` asks for it first, and holds up an event loop
                producer.partitions_for(self.settings.topic(CHAT_SIGNALS))
        except BaseException as error:
            if producer is not None:
                producer.close(0)
            if isinstance(error, KafkaError):
                servers = self.settings.kafka_bootstrap_servers
                raise Unavailable(f"Kafka at {servers} does not answer: {error_line(error)}") from error
            raise
        log.info("connected", kafka=self.settings.kafka_bootstrap_servers)
        return producer

    def _check_topic(self, producer: Any, topic: str) -> None:
        try:
            partitions = producer.partitions_for(topic)
        except KafkaError as error:
            raise Unavailable(f"topic {topic} is not there; `python -m schemas.admin create` creates it") from error
        if len(partitions) != self.settings.partitions:
            raise TopicMismatch(
                f"topic {topic} has {len(partitions)} partitions, DESKSTREAM_PARTITIONS says {self.settings.partitions}"
            )

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
        """Hand an event over; the future ends in its receipt or in `Unavailable`.

        An event that Kafka could never take (too large, not encodable) becomes a dead letter of `raw` and what the
        channel was given beside it (`given`). `replay_of` is the place of the dead letter that the event was made of. Connects when
        needed, and waits for what the directory knows of the customer; an event loop calls `publish_async` instead.
        """
        if self._enrich is not None:
            event = self._enrich(event)
        return self._submit(
            event, raw=raw, given=given, producer=producer, origin=origin, kept_at=kept_at, replay_of=replay_of
        )

    def _submit(self, event: Event, *, raw: bytes = b"", replay_of: str = "", **about: Any) -> Future[Receipt]:
        try:
            value = encoded(event)
        except Refused as refused:
            return self.submit_dead_letter(raw, refused, channel=event.channel, stage="encode", **about)
        result: Future[Receipt] = Future()
        twin = self._claim(event.event_id, result)
        if twin is not None:
            self._follow(twin, result, event)
            return result
        delivery = _Delivery(self, result, event.channel, Receipt(Outcome.PUBLISHED, event.event_id))
        headers = [(REPLAY_HEADER, replay_of.encode())] if replay_of else []
        self._send(delivery, self._topics[type(event)], key_of(event), value, headers)
        return result

    def publish(self, event: Event, **about: Any) -> Receipt:
        """`submit` and wait.

        Raises:
            Unavailable: Kafka does not have it; offer it again.
        """
        return self.wait(self.submit(event, **about))

    def publish_many(self, events: Iterable[Event]) -> list[Receipt]:
        """Submit all, wait for all; receipts in the order of the events.

        Raises:
            Unavailable: Kafka lacks at least one of them; offer all again, those it has are duplicates then.
        """
        return [self.wait(future) for future in [self.submit(event) for event in events]]

    async def publish_async(self, event: Event, **about: Any) -> Receipt:
        """`publish` for an event loop: raises `Unavailable` at once while not connected or when too many wait."""
        self._ensure_room()
        if self._enrich is not None:
            event = await self._enrich.later(event)
            self._ensure_room()  # Kafka may have gone meanwhile, and to connect would hold up the event loop
        return await self._await(self._submit(event, **about))

    def remember(self, event_id: str) -> None:
        """The log says that Kafka has this event: offered again, it is a duplicate, also after a restart."""
        with self._ids:
            self._remember(event_id)

    def signal(self, event: Event) -> None:
        """Send what nobody misses when it is lost (somebody is typing): not waited for, not counted, not sent again."""
        if (producer := self._producer) is not None:
            with contextlib.suppress(KafkaError):
                producer.send(self._topics[type(event)], codec.encode(event), event.customer_tag.encode())

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
        """Hand a dead letter over: the raw bytes as value (card numbers masked), the story in the headers.

        With what the channel was given beside the bytes (`given`), `python -m producers replay` can take it again.
        Beyond `MAX_RECORD_BYTES` only the first part is sent; `truncated` then holds the whole length in bytes and
        `kept-at` where the source keeps the whole. `total_bytes` is that length when `raw` was cut by the caller.
        """
        total = len(raw) if total_bytes is None else total_bytes
        kept = raw[: MAX_RECORD_BYTES + privacy.MARGIN]
        masked = privacy.mask_bytes(kept, keep_ids=given is not None and "content-type" in given.headers)
        value = masked[:MAX_RECORD_BYTES]
        record = writer.of_input(
            value,
            reason=refused.reason,
            error=privacy.mask(str(refused)),
            stage=stage,
            origin=origin,
            at=self._clock.now(),
            producer=producer,
            traceback=privacy.mask(traceback),
            given=given,
            masked=value != kept[:MAX_RECORD_BYTES],
            total_bytes=total if total > min(len(raw), MAX_RECORD_BYTES) else None,
            kept_at=kept_at,
        )
        result: Future[Receipt] = Future()
        receipt = Receipt(Outcome.DEAD_LETTERED, reason=refused.reason)
        self._send(_Delivery(self, result, channel, receipt), self._dlq, record.key, record.value, record.headers)
        return result

    def dead_letter(self, raw: bytes, refused: Refused, **about: Any) -> Receipt:
        """`submit_dead_letter` and wait.

        Raises:
            Unavailable: Kafka does not have it; offer it again.
        """
        return self.wait(self.submit_dead_letter(raw, refused, **about))

    async def dead_letter_async(self, raw: bytes, refused: Refused, **about: Any) -> Receipt:
        """`dead_letter` for an event loop."""
        self._ensure_room()
        return await self._await(self.submit_dead_letter(raw, refused, **about))

    def mark_replayed(self, dead_letters: Sequence[DeadLetter]) -> None:
        """Note, durably, that these dead letters were taken: no replay takes them again.

        Raises:
            Unavailable: Kafka does not have it; the next replay finds that their events are known already.
        """
        self.connect()
        producer, now = self._producer, self._clock.now()
        try:
            sent = [
                producer.send(
                    dead_letter.topic, b"", dead_letter.key, replay_marker(dead_letter, now), dead_letter.partition
                )
                for dead_letter in dead_letters
            ]
            for mark in sent:
                mark.get(self.settings.publish_timeout_seconds + _CONNECT_SECONDS)
        except (KafkaError, AttributeError) as error:  # AttributeError: lost between the two lines
            raise self._no_answer(error_line(error)) from error

    # the way there

    def _send(self, delivery: _Delivery, topic: str, key: bytes | None, value: bytes, headers: Headers) -> None:
        try:
            if self._producer is None:
                self.connect()
            producer = delivery.through = self._producer
            sent = producer.send(topic, value, key, headers)
        except (KafkaError, Unavailable, AttributeError) as error:  # AttributeError: lost between the two lines
            delivery.settle(error)
            return
        delivery.size = len(value)
        with self._ids:
            self._unsettled += 1
            self._unsettled_bytes += delivery.size
            self._in_flight.setdefault(id(producer), set()).add(delivery)
        delivery.counted = True
        sent.add_callback(delivery.landed)
        sent.add_errback(delivery.settle)

    def wait(self, future: Future[Receipt]) -> Receipt:
        """The receipt of something submitted, when Kafka has it.

        Raises:
            Unavailable: Kafka does not have it; offer it again.
        """
        try:
            return future.result(self.settings.publish_timeout_seconds + _CONNECT_SECONDS)
        except FutureTimeout as error:
            raise self._no_answer("it took too long") from error

    async def _await(self, future: Future[Receipt]) -> Receipt:
        # Shielded: a caller that goes away must not cancel what Kafka may already have.
        patience = self.settings.publish_timeout_seconds + 1.0
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), patience)
        except TimeoutError as error:
            raise self._no_answer("it took too long") from error

    def _ensure_room(self) -> None:
        if self._producer is None:
            raise self._no_answer("not connected")
        if self._unsettled >= MAX_WAITING:
            raise self._no_answer(f"{self._unsettled} events are waiting for it")
        if self._unsettled_bytes >= MAX_WAITING_BYTES:
            raise self._no_answer(f"{self._unsettled_bytes} bytes are waiting for it")

    def _no_answer(self, why: str) -> Unavailable:
        return Unavailable(f"Kafka at {self.settings.kafka_bootstrap_servers} does not answer: {why}", retry_after=5.0)

    def _lost(self, producer: Any) -> None:
        """A record was not delivered: start over with a new client, as an idempotent producer has to."""
        if self._producer is producer:
            self._producer = None
            threading.Thread(target=self._give_up, args=(producer,), name="kafka-close", daemon=True).start()

    def _give_up(self, producer: Any) -> None:
        """Close a lost client. What it leaves without an answer is given up: its sources offer it again.

        The client drops records that were on their way when the broker fell silent, without a word to who waits.
        """
        patience = self.settings.publish_timeout_seconds + _CONNECT_SECONDS  # by then all of it has expired
        with contextlib.suppress(Exception):
            producer.close(patience)
        with self._ids:
            left = self._in_flight.pop(id(producer), set())
        for delivery in left:
            delivery.settle(self._no_answer("it fell silent"))

    # what was published already

    def _claim(self, event_id: str, result: Future[Receipt]) -> Future[Receipt] | None:
        """None when the id is new and now ours; otherwise the future of its twin, already done if published."""
        with self._ids:
            if event_id in self._published:
                self._published.move_to_end(event_id)
                done: Future[Receipt] = Future()
                done.set_result(Receipt(Outcome.PUBLISHED, event_id))
                return done
            twin = self._waiting.setdefault(event_id, result)
            return None if twin is result else twin

    def _release(self, event_id: str, *, published: bool = False) -> None:
        with self._ids:
            self._waiting.pop(event_id, None)
            if published:
                self._remember(event_id)

    def _remember(self, event_id: str) -> None:
        self._published[event_id] = None
        if len(self._published) > REMEMBERED_IDS:
            self._published.popitem(last=False)

    def _follow(self, twin: Future[Receipt], result: Future[Receipt], event: Event) -> None:
        """A duplicate of something in flight is received when its twin is."""

        def settled(done: Future[Receipt]) -> None:
            if error := done.exception():
                result.set_exception(error)
            else:
                receipt = Receipt(Outcome.DUPLICATE, event.event_id)
                _count(event.channel, receipt)
                result.set_result(receipt)

        twin.add_done_callback(settled)


class _Delivery:
    """One record on its way; its methods are called on the client's thread."""

    __slots__ = ("channel", "counted", "owner", "receipt", "result", "size", "started", "through")

    def __init__(self, owner: Publisher, result: Future[Receipt], channel: str, receipt: Receipt) -> None:
        self.owner, self.result, self.channel, self.receipt = owner, result, channel, receipt
        self.started = time.perf_counter()
        self.through: Any = None
        self.counted = False
        self.size = 0

    def landed(self, _: object) -> None:
        if self.result.done():
            return  # given up, and it arrived after all: the next attempt is a duplicate for the workers
        self._left(published=self.receipt.outcome is Outcome.PUBLISHED)
        _count(self.channel, self.receipt)
        _counters(self.channel)[3].observe(time.perf_counter() - self.started)
        self.result.set_result(self.receipt)

    def settle(self, error: BaseException) -> None:
        if self.result.done():
            return
        self._left(published=False)
        if self.through is not None:
            self.owner._lost(self.through)
        if not isinstance(error, Unavailable):
            error = self.owner._no_answer(error_line(error))
        self.result.set_exception(error)

    def _left(self, *, published: bool) -> None:
        if self.counted:
            with self.owner._ids:
                self.owner._unsettled -= 1
                self.owner._unsettled_bytes -= self.size
                self.owner._in_flight.get(id(self.through), set()).discard(self)
        if self.receipt.event_id:
            self.owner._release(self.receipt.event_id, published=published)


def encoded(event: Event) -> bytes:
    """The record of an event.

    Raises:
        Refused: `unencodable`, or `too_large` for Kafka.
    """
    try:
        value = codec.encode(event)
    except BrokenBody as error:
        raise Refused("unencodable", str(error)) from error
    if len(value) > MAX_RECORD_BYTES:
        raise Refused("too_large", f"the event has {len(value)} bytes, Kafka takes {MAX_RECORD_BYTES}")
    return value


def key_of(event: Event) -> bytes:
    """`routing` is keyed by team, everything else by customer tag."""
    return (event.team if isinstance(event, PresenceChanged) else event.customer_tag).encode()


@cache
def _counters(channel: str) -> tuple[Any, Any, Any, Any]:
    """received, published, duplicate, seconds of a channel: looking them up costs more than counting."""
    families = (
        metrics.CONTACTS_RECEIVED,
        metrics.CONTACTS_PUBLISHED,
        metrics.CONTACTS_DUPLICATE,
        metrics.PUBLISH_SECONDS,
    )
    received, published, duplicate, seconds = (family.labels(channel or NO_CHANNEL) for family in families)
    return received, published, duplicate, seconds


def _count(channel: str, receipt: Receipt) -> None:
    received, published, duplicate, _ = _counters(channel)
    received.inc()
    if receipt.outcome is Outcome.PUBLISHED:
        published.inc()
    elif receipt.outcome is Outcome.DUPLICATE:
        duplicate.inc()
    else:
        metrics.CONTACTS_DEAD_LETTERED.labels(channel or NO_CHANNEL, receipt.reason).inc()
