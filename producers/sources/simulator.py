"""Plays a shop on the pipeline's clock: publishes the plan of the day, and lets agents answer what is assigned.

A contact planned for T is published when the clock reaches T, and says that it happened at T. Agents and customers follow
the facts of tickets and surveys: whoever gets a ticket answers it after a while, as `simulation.agents` decides.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from msgspec.structs import replace

from producers.publisher import Outcome, Publisher, Receipt
from producers.simulation.agents import Director
from producers.simulation.brands import written_to
from producers.simulation.day import DAY, people_of, plan_day
from producers.simulation.load import contacts as load
from producers.simulation.people import Person, presences
from producers.simulation.planned import Planned, event_of
from producers.simulation.shop import Shop
from schemas import codec
from schemas.clock import MICROS, from_micros
from schemas.codec import snake
from schemas.errors import CodecError, Refused, Unavailable
from schemas.events import AgentReplied, Event, StatusChanged
from schemas.facts import Fact
from schemas.kafka_security import security
from schemas.process import Health
from schemas.settings import ProducerSettings
from schemas.topics import SURVEY_FACTS, TICKET_FACTS

__all__ = ["Summary", "flood", "play"]

#: So many contacts a day are served with the usual capacities; more contacts get more.
CONTACTS_PER_SCALE = 2000
_IDLE_SECONDS = 0.05
_IN_FLIGHT = 5000
_RETRY_SECONDS = 1.0
_DRAIN_SECONDS = 5.0
#: So much later an agent who did nothing (see `Shop.absent`) looks at the same ticket again.
_LOOKS_AGAIN_MICROS = 60 * MICROS

log = structlog.get_logger("producers.simulator")


@dataclass(slots=True)
class Summary:
    """Counts what was published, by kind of event; `late_seconds` is the most that an event waited, on the wall clock.

    duplicates   events that Kafka had already
    """

    published: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    dead_lettered: int = 0
    late_seconds: float = 0.0

    def lines(self) -> list[str]:
        """Returns the summary, for people."""
        width = max(map(len, self.published), default=0)
        rows = [f"{kind:<{width}}  {count:>8,}" for kind, count in sorted(self.published.items())]
        rows.append(f"{'together':<{width}}  {self.published.total():>8,}")
        if self.duplicates:
            rows.append(f"duplicates: {self.duplicates:,}")
        return rows + ([f"dead letters: {self.dead_lettered}"] if self.dead_lettered else [])


def flood(
    publisher: Publisher,
    settings: ProducerSettings,
    health: Health,
    stop: threading.Event,
    *,
    seed: int,
    count: int,
    rate: float,
) -> Summary:
    """Sends `count` events at `rate` a second (0: as fast as Kafka takes them) that happen when they are sent.

    Raises:
        Unavailable: Kafka does not answer at the start.
    """
    publisher.connect()
    health.ready = True
    clock, sender = settings.pipeline_clock, _Sender(publisher, health)
    began = time.monotonic()
    for index, event in enumerate(islice(load(seed), count)):
        if stop.is_set():
            break
        ahead = began + index / rate - time.monotonic() if rate else 0.0
        if ahead > 0 and stop.wait(ahead):
            break
        now = clock.now()
        sender.send(replace(event, occurred_at=now, received_at=now))
        if index % 100 == 0:
            health.beat()
    sender.drain(stop)
    return sender.summary


def play(
    publisher: Publisher, settings: ProducerSettings, shop: Shop, health: Health, stop: threading.Event
) -> Summary:
    """Publishes the plan as the clock reaches it, and what agents do about it, until its end or until `stop`.

    Raises:
        Unavailable: Kafka does not answer at the start; later, everything waits for it.
    """
    publisher.connect()
    stage = _Stage(publisher, settings, shop, health)
    try:
        stage.open()
        health.ready = True
        while not stop.is_set() and not stage.over:
            stage.publish_due()
            stage.listen(stop)
            health.beat()
    finally:
        stage.close(stop)
    return stage.sender.summary


class _Stage:
    """Runs the simulation: a heap of what is planned, the reader of facts, and the sender."""

    def __init__(self, publisher: Publisher, settings: ProducerSettings, shop: Shop, health: Health) -> None:
        self._settings, self._shop, self._clock = settings, shop, settings.pipeline_clock
        self.sender, self._brands = _Sender(publisher, health), publisher.brands
        self._director = Director(shop.seed, [], settings.mail_domain)
        self._facts = _Facts(settings) if shop.agents else None
        self._chapters = shop.chapters()
        self._next_chapter: tuple[int, int] | None = next(self._chapters, None)
        self._heap: list[tuple[int, str, int, Planned]] = []
        self._serial = 0

    @property
    def over(self) -> bool:
        """True after the end, when all that was planned before it is published: also by a simulator that began after it."""
        end = self._shop.end
        if end is None or self._clock.now() < end:
            return False
        unopened = self._next_chapter is not None and self._next_chapter[1] < end
        return not unopened and not (self._heap and self._heap[0][0] < end)

    def open(self) -> None:
        """Catches up with what earlier runs left behind."""
        if self._facts is None:
            return
        self._facts.connect()
        left = [planned for fact in self._facts.backlog() for planned in self._director.saw(fact)]
        now = max(self._clock.now(), self._shop.start)
        for index, planned in enumerate(sorted(left, key=lambda planned: planned[:2])):
            kept = planned.at >= now or isinstance(planned.thing, AgentReplied | StatusChanged)
            if kept and self._director.stands(planned):
                self._plan(planned._replace(at=max(planned.at, now + index)))

    def close(self, stop: threading.Event) -> None:
        self.sender.drain(stop)
        if self._facts is not None:
            self._facts.close()

    def publish_due(self) -> None:
        """Hands over everything whose moment has come."""
        now = self._clock.now()
        while self._next_chapter is not None and self._next_chapter[1] <= max(now, self._shop.start):
            self._open_day(*self._next_chapter)
            self._next_chapter = next(self._chapters, None)
        while self._heap and self._heap[0][0] <= now:
            planned = heapq.heappop(self._heap)[-1]
            if not self._director.stands(planned):
                continue
            if isinstance(planned.thing, AgentReplied | StatusChanged) and self._nobody_is_there:
                self._plan(planned._replace(at=now + _LOOKS_AGAIN_MICROS))
                continue
            try:
                event = written_to(event_of(planned), self._brands.brands)
            except Refused as error:  # one text that its normaliser does not take must not end the day
                log.warning("not_published", planned=planned.order, problem=str(error))
                continue
            self.sender.send(replace(event, occurred_at=planned.at, received_at=now))
            self.sender.note_delay((now - planned.at) / MICROS / self._clock.speed)

    @property
    def _nobody_is_there(self) -> bool:
        return self._shop.absent is not None and self._shop.absent.exists()

    def listen(self, stop: threading.Event) -> None:
        """Waits for the next moment, and for facts meanwhile."""
        due = self._clock.wall_seconds_until(self._heap[0][0]) if self._heap else _IDLE_SECONDS
        seconds = min(max(due, 0.0), _IDLE_SECONDS)
        if self._facts is None:
            stop.wait(max(seconds, 0.001))
            return
        for fact in self._facts.poll(seconds):
            for planned in self._director.saw(fact):
                self._plan(planned)

    def _open_day(self, seed: int, start: int) -> None:
        shop, domain = self._shop, self._settings.mail_domain
        people: list[Person] = people_of(seed, shop.contacts)
        self._director.meet(people)
        for planned in plan_day(seed, shop.contacts, start, mail_domain=domain):
            if planned.at >= shop.start:
                self._plan(planned)
        if shop.agents:
            scale = -(-shop.contacts // CONTACTS_PER_SCALE)
            for event in presences(max(start, shop.start), start + DAY, scale):
                self._plan(Planned(event.occurred_at, event.event_id, event))
        log.info("day_planned", start=from_micros(start).isoformat(), contacts=shop.contacts, seed=seed)

    def _plan(self, planned: Planned) -> None:
        if (end := self._shop.end) is None or planned.at < end:
            self._serial += 1
            heapq.heappush(self._heap, (planned.at, planned.order, self._serial, planned))


class _Sender:
    """Sends events to Kafka, a bounded number at once; what Kafka did not take is sent again."""

    def __init__(self, publisher: Publisher, health: Health) -> None:
        self.summary = Summary()
        self._publisher, self._health = publisher, health
        self._sent: deque[tuple[Event, Future[Receipt]]] = deque()

    def send(self, event: Event) -> None:
        self._sent.append((event, self._publisher.submit(event)))
        while self._sent and (self._sent[0][1].done() or len(self._sent) >= _IN_FLIGHT):
            self._settle()

    def note_delay(self, seconds: float) -> None:
        self.summary.late_seconds = max(self.summary.late_seconds, seconds)

    def drain(self, stop: threading.Event) -> None:
        """Waits until Kafka has everything; once `stop` is set, not for long."""
        deadline = None
        while self._sent:
            if stop.is_set():
                deadline = deadline or time.monotonic() + _DRAIN_SECONDS
                if time.monotonic() > deadline:
                    log.warning("not_published", events=len(self._sent))
                    return
            self._settle()

    def _settle(self) -> None:
        event, future = self._sent.popleft()
        try:
            receipt = self._publisher.wait(future)
        except Unavailable as error:
            self._health.problem = str(error)
            self._health.beat()  # waiting for Kafka is not being stuck
            log.warning("waiting_for_kafka", problem=str(error))
            time.sleep(_RETRY_SECONDS)
            self._sent.append((event, self._publisher.submit(event)))
            return
        self._health.problem = ""
        if receipt.outcome is Outcome.DEAD_LETTERED:
            self.summary.dead_lettered += 1
        elif receipt.outcome is Outcome.DUPLICATE:
            self.summary.duplicates += 1
        else:
            self.summary.published[snake(type(event).__name__)] += 1


class _Facts:
    """Reads the facts about tickets and surveys, from the beginning of their topics."""

    def __init__(self, settings: ProducerSettings) -> None:
        self._settings = settings
        self._consumer: Any = None

    def connect(self) -> None:
        topics = [self._settings.topic(topic) for topic in (TICKET_FACTS, SURVEY_FACTS)]
        servers = [server.strip() for server in self._settings.kafka_bootstrap_servers.split(",")]
        try:
            self._consumer = KafkaConsumer(
                bootstrap_servers=servers,
                client_id="deskstream-simulator",
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                **security(self._settings),
            )
            numbers = range(self._settings.partitions)
            self._partitions = [TopicPartition(topic, number) for topic in topics for number in numbers]
            self._consumer.assign(self._partitions)
            self._ends: dict[Any, int] = self._consumer.end_offsets(self._partitions)
        except KafkaError as error:
            raise Unavailable(f"Kafka at {','.join(servers)} does not answer: {error}") from error

    def backlog(self) -> Iterator[Fact]:
        """Yields the facts that were there when we connected."""
        while any(self._consumer.position(each) < self._ends[each] for each in self._partitions):
            yield from self.poll(_IDLE_SECONDS)

    def poll(self, seconds: float) -> Iterator[Fact]:
        """Yields the facts that arrive within so many wall seconds; none when Kafka does not answer."""
        try:
            batches = self._consumer.poll(timeout_ms=max(1, int(seconds * 1000)), max_records=2000)
        except KafkaError as error:
            log.warning("facts_unavailable", problem=str(error))
            time.sleep(_IDLE_SECONDS)
            return
        for records in batches.values():
            for record in records:
                if record.value is None:  # the tombstone of an erasure
                    continue
                try:
                    yield codec.decode(record.value)
                except CodecError as error:
                    log.warning("unreadable_fact", offset=record.offset, problem=str(error))

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
