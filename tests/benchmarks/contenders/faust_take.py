"""Plain Faust: an agent that takes batches from its stream, with a RocksDB table and its changelog.

Settings after its documentation: raw serializers, the Cython extensions, `take` with a large batch, sends that are
not awaited one by one, a table partitioned by key so that batches of several partitions can be written together.
"""

from __future__ import annotations

import os
import weakref
from typing import Any

import faust
from faust.streams import _current_event

from schemas.settings import Settings, load
from schemas.topics import CONTACT_EVENTS, TOPICS
from tests.benchmarks.contenders.steps import StepRunner

settings = load(Settings)
runner = StepRunner(settings)
app = faust.App(
    settings.namespace + "faust-take",
    broker=f"kafka://{settings.kafka_bootstrap_servers}",
    store="rocksdb://",
    datadir=os.environ["DESKSTREAM_STATE_DIR"],
    key_serializer="raw",
    value_serializer="raw",
    topic_partitions=settings.partitions,
    topic_replication_factor=1,
    topic_disable_leader=True,
    web_enabled=False,
    consumer_auto_offset_reset="earliest",
    stream_buffer_maxsize=16384,
    stream_recovery_delay=0.0,
    broker_max_poll_records=5000,
    producer_linger=0.005,
    producer_max_batch_size=500_000,
)
source = app.topic(settings.topic(CONTACT_EVENTS), key_serializer="raw", value_serializer="raw")
outputs = {
    settings.topic(topic): app.topic(settings.topic(topic), key_serializer="raw", value_serializer="raw")
    for topic in TOPICS
}
table = app.Table("state", partitions=settings.partitions, key_type=bytes, value_type=bytes, use_partitioner=True)


@app.agent(source)
async def steps(stream: Any) -> None:
    async for events in stream.take_events(1000, within=0.05):
        for event in events:
            _current_event.set(weakref.ref(event))  # a table can be written only while Faust knows for which event
            message = event.message
            result = runner.run(message.value, message.key, message.partition, message.offset, table.get)
            for topic, key, value in result.records:
                await outputs[topic].send(key=key, value=value)
            for key, stored in result.states:
                if stored is None:
                    table.pop(key, None)
                else:
                    table[key] = stored


if __name__ == "__main__":
    app.Worker(loglevel="warning", redirect_stdouts=False).execute_from_commandline()
