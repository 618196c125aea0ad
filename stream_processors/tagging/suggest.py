"""`python -m stream_processors suggest`: reads contact facts, and appends `TagSuggested` events to the contacts' log.

    contact-facts ─▶ is_read ─▶ suggester (20 ms of CPU a message) ─▶ contact-events ─▶ the fold tags, or shows

Offsets are committed after the events of a batch are durable; a batch that is read again appends the same ids, which the
fold takes once. A new deployment begins with what comes, not with the topic's history.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from schemas import secret_check
from schemas.admin import verify_topics
from schemas.codec import decode, encode
from schemas.errors import CodecError, ConfigurationError, Unavailable
from schemas.events import TagSuggested
from schemas.facts import ContactFact
from schemas.kafka_security import security
from schemas.process import Health, configure_logging, guarded, serve_probes
from schemas.record_key import BY_NAME, record_key
from schemas.settings import WorkerSettings, load
from schemas.topics import CONTACT_EVENTS, CONTACT_FACTS
from stream_processors.rules import ruleset
from stream_processors.rules.taxonomy import Taxonomy
from stream_processors.tagging import embedding
from stream_processors.tagging.propose import is_read, proposals
from stream_processors.tagging.suggester import SHIPPED, Model, Suggester

__all__ = ["HELP", "TagSuggester", "suggest"]

HELP = """Suggest why-tags beside the workers, until SIGTERM.

Reads what customers wrote (the topic contact-facts). Where the rules found no tag, or another one, it appends an event: of
confidence .9 and more it tags the ticket, below that it is shown in the ticket's timeline and the table tag_suggestions. It
raises no priority. Needs the extra `suggester`. Start as many as there are partitions; one reads some 50 messages a second."""
#: Records that are fetched and committed at once.
BATCH = 64
#: Messages that are read between two signs of life: the longest take 2 s of CPU each.
_SLICE = 8
log = structlog.get_logger()


def suggest(
    check: Annotated[bool, typer.Option("--check", help="Validate settings, rules and model, then exit.")] = False,
    model: Annotated[Path, typer.Option("--model", help="The model; see the command train.")] = SHIPPED,
) -> None:
    """Runs the suggester."""
    raise SystemExit(guarded(lambda: _run(model, check=check)))


def _run(path: Path, *, check: bool) -> int:
    settings = load(WorkerSettings)
    root = settings.config_dir or ruleset.SHIPPED
    taxonomy = ruleset.load(root, settings.mail_domain).taxonomy
    suggester = Suggester(Model.load(path))
    embedding.embed(["ready"])
    if (rows := len(suggester.model.weights)) != embedding.DIMENSIONS:
        raise ConfigurationError(f"is of {rows} numbers, not {embedding.DIMENSIONS}", where=str(path), fix="make train")
    if check:
        print(f"ok: model {suggester.model.version}, taxonomy {taxonomy.version}")
        return 0
    configure_logging(settings)
    verify_topics(settings)
    secret_check.use(settings)
    health = Health()
    serve_probes(settings, health)
    try:
        uvloop.run(TagSuggester(settings, taxonomy, suggester, health).run())
    except (KafkaError, OSError) as error:
        raise Unavailable(f"Kafka at {settings.kafka_bootstrap_servers} does not answer: {error!r}") from error
    return 0


class TagSuggester:
    """Runs the loop. `run` returns after `stop()`, once the batch under way is committed."""

    def __init__(self, settings: WorkerSettings, taxonomy: Taxonomy, suggester: Suggester, health: Health) -> None:
        self._settings, self._taxonomy, self._suggester, self._health = settings, taxonomy, suggester, health
        self._stopping = False

    def stop(self) -> None:
        """Fetches nothing more."""
        self._stopping = True

    async def run(self) -> None:
        """Reads until `stop()`, or SIGTERM.

        Raises:
            KafkaError: Kafka gave up on us; nothing unfinished was committed.
        """
        settings = self._settings
        consumer = AIOKafkaConsumer(
            settings.topic(CONTACT_FACTS),
            bootstrap_servers=settings.kafka_bootstrap_servers,
            group_id=settings.group("suggester"),
            enable_auto_commit=False,
            auto_offset_reset="latest",
            max_poll_records=BATCH,
            **security(settings),
        )
        producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap_servers,
            acks="all",
            enable_idempotence=True,
            partitioner=BY_NAME,
            **security(settings),
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.stop)
        async with consumer, producer:
            self._health.ready = True
            log.info("reading", topic=settings.topic(CONTACT_FACTS), model=self._suggester.model.version)
            while not self._stopping:
                fetched = await consumer.getmany(timeout_ms=500, max_records=BATCH)
                self._health.beat()
                records = [record for each in fetched.values() for record in each]
                if records:
                    await self._append(producer, records)
                    await _commit(consumer)

    async def _append(self, producer: AIOKafkaProducer, records: Sequence[Any]) -> None:
        contacts = [fact for record in records if (fact := _contact(record.value)) is not None]
        if not contacts:
            return
        topic, sent = self._settings.topic(CONTACT_EVENTS), []
        for start in range(0, len(contacts), _SLICE):
            for event in await asyncio.to_thread(self._proposals, contacts[start : start + _SLICE]):
                sent.append(await producer.send(topic, encode(event), key=record_key(event.customer_tag.encode())))
            self._health.beat()
        for each in sent:
            await each

    def _proposals(self, contacts: Sequence[ContactFact]) -> list[TagSuggested]:
        """Returns the events of these contacts. One that cannot be read is left out: read again, it would end us again."""
        now = self._settings.pipeline_clock.now()
        try:
            return proposals(contacts, self._taxonomy, self._suggester, now)
        except Exception as error:
            if len(contacts) == 1:
                log.error("contact left out", contact=contacts[0].event_id, error=repr(error))
                return []
            return [event for each in contacts for event in self._proposals([each])]


async def _commit(consumer: AIOKafkaConsumer) -> None:
    try:
        await consumer.commit()
    except (CommitFailedError, IllegalStateError):
        log.info("not committed: the partitions are another's now, who reads these records again")


def _contact(value: bytes | None) -> ContactFact | None:
    """Returns the contact of a record that is to be read. What is no contact, or cannot be read, is the sinks' business."""
    if not value:
        return None
    try:
        fact = decode(value)
    except CodecError:
        return None
    return fact if is_read(fact) else None
