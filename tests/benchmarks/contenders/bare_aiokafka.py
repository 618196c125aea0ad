"""The limit: a bare aiokafka loop around the same steps, with record batches, RocksDB state and a changelog.

No framework: one process that is given every partition, no rebalancing, no deadlines, no dead letters.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import rocksdict
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.partitioner import murmur2

from schemas.settings import Settings, load
from schemas.topics import CONTACT_EVENTS, changelog
from stream_processors.runtime.batch_producer import BatchProducer
from tests.benchmarks.contenders.steps import StepRunner


async def main() -> None:
    settings = load(Settings)
    runner = StepRunner(settings)
    state = Path(os.environ["DESKSTREAM_STATE_DIR"])
    state.mkdir(parents=True)  # noqa: ASYNC240 (before anything runs)
    options = rocksdict.Options(raw_mode=True)
    options.create_if_missing(True)
    databases = {number: rocksdict.Rdict(str(state / str(number)), options) for number in range(settings.partitions)}
    log = changelog(f"{settings.namespace}deskstream", "tickets").name
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        max_batch_size=1_000_000,
    )
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        group_id=settings.group("bare"),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=4000,
    )
    await producer.start()
    await consumer.start()
    topic = settings.topic(CONTACT_EVENTS)
    consumer.assign([TopicPartition(topic, number) for number in range(settings.partitions)])
    while True:
        for tp, records in (await consumer.getmany(timeout_ms=200)).items():
            database, outbox, changed = databases[tp.partition], BatchProducer(producer, int(time.time() * 1000)), {}

            def get(key: bytes, changed: dict = changed, database: rocksdict.Rdict = database) -> bytes | None:
                return changed[key] if key in changed else database.get(key)

            for record in records:
                result = runner.run(record.value, record.key, tp.partition, record.offset, get)
                changed.update(result.states)
                for name, key, value in result.records:
                    place = tp.partition if key == record.key else (murmur2(key) & 0x7FFFFFFF) % settings.partitions
                    outbox.add(name, place, key, value)
            await outbox.flush()
            batch = rocksdict.WriteBatch(raw_mode=True)
            for key, value in changed.items():
                outbox.add(log, tp.partition, key, value)
                batch.delete(key) if value is None else batch.put(key, value)
            await outbox.flush()
            database.write(batch)
            await consumer.commit({tp: records[-1].offset + 1})


if __name__ == "__main__":
    asyncio.run(main())
