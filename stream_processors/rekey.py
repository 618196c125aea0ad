"""Moves the customers of a deployment to the tags of another secret: `python -m stream_processors rekey` (ADR 0033).

Every customer whose tag was made with an earlier secret, or without one, is merged into their tag of today with the
machinery of ADR 0011: open tickets move and keep their ids, what still comes to the old tag is written on. The old states
stay behind as signposts. It runs once, while nothing else does: a worker with the old secret would refuse the merges.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from schemas import codec, identity, secret_check
from schemas.admin import require_idle
from schemas.errors import ConfigurationError, Unavailable
from schemas.events import CustomersMerged
from schemas.kafka_security import security
from schemas.process import configure_logging
from schemas.record_key import BY_NAME, record_key
from schemas.settings import WorkerSettings, listed, load
from schemas.topics import CONTACT_EVENTS, changelog
from stream_processors.runtime.state_codec import StateCodec, stored_offset
from stream_processors.tickets.state import Customer

__all__ = ["HELP", "Known", "merges", "run"]

HELP = """Move all customers to the tags that the first of DESKSTREAM_TAG_SECRETS makes. Run it once, after the secret was set
or changed, while no worker and no producer runs; it is safe to run again.

Then start the workers, wait until they have caught up, and start the producers. deploy/operations/secrets.md has the steps.
"""

_TIMEOUT_SECONDS = 30.0
_CODEC = StateCodec({b"c": Customer})
_IN_FLIGHT = 1000


class Known(NamedTuple):
    """Holds of a stored customer what decides whether and where they move; `merged_into` is the id of the other customer."""

    tag: str
    customer_id: str
    merged_into: str


def merges(known: Iterable[Known], now: int) -> Iterator[CustomersMerged]:
    """Yields the merges that move these customers to their tags of today. Pure; the same customer gives the same event.

    A customer who has no id (they were erased), or whose tag no secret of ours made, stays where they are.
    """
    for each in known:
        tag = identity.customer_tag(each.customer_id)
        if not each.customer_id or each.tag == tag or not identity.is_tag_of(each.tag, each.customer_id):
            continue
        if each.merged_into == each.customer_id:  # the signpost of an earlier move
            continue
        moved = not each.merged_into
        yield CustomersMerged(
            event_id=identity.event_id("rekey", each.tag, tag),
            occurred_at=now,
            received_at=now,
            customer_tag=each.tag if moved else tag,
            source="rekey",
            from_customer_id=each.customer_id,
            into_customer_id=each.customer_id if moved else each.merged_into,
            from_tag=each.tag if moved else "",
            reason="rekey",
        )


def run() -> int:
    """Publishes the merges and writes which secret is in force; returns the exit code.

    Raises:
        ConfigurationError: there is no secret, or the secret in force is not among ours.
        Unavailable: Kafka does not answer, or a process still runs.
    """
    settings = load(WorkerSettings)
    configure_logging(settings)
    tags = listed(settings.tag_secrets)
    if not tags:
        raise ConfigurationError(
            "it is empty", where="DESKSTREAM_TAG_SECRETS", fix="set what `openssl rand -hex 24` prints"
        )
    secret_check.use(settings)
    before = secret_check.read(settings)
    if before.tags == identity.fingerprint(tags[0]):
        print("customer tags are made with this secret already")
        return 0
    if before.tags not in (secret_check.UNKEYED, *map(identity.fingerprint, tags)):
        raise ConfigurationError(
            f"the secret {before.tags or '(none: run `python -m schemas.admin create`)'} that is in force is not among them",
            where="DESKSTREAM_TAG_SECRETS",
            fix="set the new secret, a comma, and the one that was in force",
        )
    require_idle(settings, settings.group("").rstrip("-"), settings.topic(CONTACT_EVENTS))
    moved = asyncio.run(_publish(settings))
    secret_check.rekeyed(settings, before)
    print(f"{moved} customers move to their new tags; now start the workers, then the producers")
    return 0


async def _publish(settings: WorkerSettings) -> int:
    """Writes the merges of every partition, durably; returns how many."""
    now, count = settings.pipeline_clock.now(), 0
    servers = settings.kafka_bootstrap_servers
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False, **security(settings))
    producer = AIOKafkaProducer(
        bootstrap_servers=servers, acks="all", enable_idempotence=True, partitioner=BY_NAME, **security(settings)
    )
    try:
        await consumer.start()
        await producer.start()
        for number in range(settings.partitions):
            known = [each async for each in _known(consumer, settings, number)]
            sent = []
            for event in merges(known, now):
                key = record_key(event.customer_tag.encode())
                sent.append(await producer.send(settings.topic(CONTACT_EVENTS), codec.encode(event), key))
                count += 1
                if len(sent) >= _IN_FLIGHT:
                    await asyncio.gather(*sent)
                    sent.clear()
            await asyncio.gather(*sent)
    except (KafkaError, TimeoutError) as error:
        raise Unavailable(
            f"Kafka at {settings.kafka_bootstrap_servers} does not answer: {error or 'in time'}"
        ) from error
    finally:
        await consumer.stop()
        await producer.stop()
    return count


async def _known(consumer: Any, settings: WorkerSettings, number: int) -> AsyncIterator[Known]:
    """Yields the customers of a partition, as the changelog has them."""
    place = TopicPartition(changelog(f"{settings.namespace}deskstream", "tickets").name, number)
    end, newest = (await consumer.end_offsets([place]))[place], dict[bytes, tuple[int, Known | None]]()
    consumer.assign([place])
    await consumer.seek_to_beginning(place)
    while await consumer.position(place) < end:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            found = await consumer.getmany(place, timeout_ms=1000, max_records=2000)
        for record in found.get(place, ()):
            if record.key[:1] != b"c":
                continue
            offset = -1 if record.value is None else stored_offset(record.value)
            if record.value is None or newest.get(record.key, (-2, None))[0] <= offset:
                newest[record.key] = offset, None if record.value is None else _of(record.key, record.value)
    for _, known in newest.values():
        if known is not None:
            yield known


def _of(key: bytes, value: bytes) -> Known:
    customer: Customer = _CODEC.load(key, value)
    history = customer.merge_history
    merged_into = history.merged_into if history is not None else None
    return Known(key[1:].decode(), customer.customer_id, "" if merged_into is None else merged_into.customer_id)
