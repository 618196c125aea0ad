"""Quix Streams: a stateful StreamingDataFrame with RocksDB state and changelog topics, at-least-once.

Settings after its performance advice: bytes in and out, state stored as bytes, one stateful callback that expands to
all outputs, dynamic topics. Its state is scoped to the message key, so the panes of rolling figures are kept per
customer here: the same number of reads and writes, in smaller values.
"""

from __future__ import annotations

import os
from typing import Any, ClassVar

from quixstreams import Application, message_context

from schemas.settings import Settings, load
from schemas.topics import CONTACT_EVENTS, TOPICS
from tests.benchmarks.contenders.steps import StepRunner


def main() -> None:
    settings = load(Settings)
    runner = StepRunner(settings)
    app = Application(
        broker_address=settings.kafka_bootstrap_servers,
        consumer_group=settings.group("quix"),
        auto_offset_reset="earliest",
        state_dir=os.environ["DESKSTREAM_STATE_DIR"],
        loglevel="WARNING",
        commit_interval=1.0,
        producer_extra_config={"linger.ms": 5, "queue.buffering.max.messages": 1_000_000},
    )
    topics = {
        settings.topic(topic): app.topic(settings.topic(topic), key_serializer="bytes", value_serializer="bytes")
        for topic in TOPICS
    }
    source = app.topic(settings.topic(CONTACT_EVENTS), key_deserializer="bytes", value_deserializer="bytes")

    def steps(value: bytes, key: bytes, timestamp: int, headers: Any, state: Any) -> list[tuple[str, bytes, bytes]]:
        context = message_context()
        result = runner.run(
            value, key, context.partition, context.offset, lambda name: state.get_bytes(name.decode("latin-1"))
        )
        for name, stored in result.states:
            if stored is None:
                state.delete(name.decode("latin-1"))
            else:
                state.set_bytes(name.decode("latin-1"), stored)
        return result.records

    frame = app.dataframe(source).apply(steps, stateful=True, expand=True, metadata=True)
    # The record rides as (topic, key, value); the serializer of the topic takes the value out of it.
    for topic in topics.values():
        topic._value_serializer = _TakeValue()
    frame = frame.to_topic(lambda row, key, timestamp, headers: topics[row[0]], key=lambda row: row[1])
    app.run()


class _TakeValue:
    """A value serializer for (topic, key, value) rows."""

    extra_headers: ClassVar[dict[str, str]] = {}

    def __call__(self, value: tuple[str, bytes, bytes], ctx: Any) -> bytes:
        return value[2]


if __name__ == "__main__":
    main()
