"""Each test names a way in which Faust's own consumer loses or repeats work, and shows that ours does not."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP
from kafka import KafkaProducer

from schemas.settings import Settings
from schemas.topics import ROUTING
from stream_processors.runtime.transport import Consumer, ConsumerThread

TOPIC, TABLE = "batch-transport-test", "a-changelog"
P0 = TP(TOPIC, 0)


@dataclass
class Record:
    offset: int
    key: bytes = b"k"
    value: bytes = b"v"
    timestamp: int = 1_000
    timestamp_type: int = 0


def records(*offsets: int) -> list[Record]:
    return [Record(offset) for offset in offsets]


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> Consumer:
    async def make() -> Consumer:
        app = faust.App("transport-test", broker="deskstream://127.0.0.1:1", web_enabled=False)
        app.finalize()
        return app.consumer

    monkeypatch.setattr(Consumer, "batch_topics", {TOPIC})
    return asyncio.run(make())


def delivered(consumer: Consumer, *offsets: int) -> Any:
    return consumer._batch_message(P0, records(*offsets), consumer.app.consumer_generation_id)


def test_the_transport_is_found_through_its_entry_point(consumer: Consumer) -> None:
    assert type(consumer) is Consumer


def test_a_commit_never_passes_a_batch_that_is_not_durable(consumer: Consumer) -> None:
    delivered(consumer, 31)
    second = delivered(consumer, 32)
    consumer.ack(second)
    assert consumer._new_offset(P0) is None


def test_a_commit_covers_the_longest_durable_prefix(consumer: Consumer) -> None:
    batches = [delivered(consumer, 10, 11), delivered(consumer, 12, 15), delivered(consumer, 16)]
    consumer.ack(batches[1])
    assert consumer._new_offset(P0) is None
    consumer.ack(batches[0])
    assert consumer._new_offset(P0) == 16  # offsets 13 and 14 were compacted away inside a durable batch
    consumer.ack(batches[2])
    assert consumer._new_offset(P0) == 17


def test_a_gap_in_the_log_acknowledges_nothing(consumer: Consumer) -> None:
    delivered(consumer, 30)
    asyncio.run(consumer._add_gap(P0, 31, 40))
    assert consumer._new_offset(P0) is None


def test_acknowledging_twice_counts_once(consumer: Consumer) -> None:
    batch = delivered(consumer, 1, 2)
    assert consumer.ack(batch) is True
    assert consumer.ack(batch) is False
    assert consumer._new_offset(P0) == 3
    assert consumer._new_offset(P0) is None


def test_an_acknowledgement_from_before_a_rebalance_is_ignored(consumer: Consumer) -> None:
    old = delivered(consumer, 5, 6)
    consumer._delivered.pop(P0)  # what revocation and seeking back do
    again = delivered(consumer, 5, 6, 7)
    assert consumer.ack(old) is False
    assert consumer._new_offset(P0) is None
    assert consumer.ack(again) is True
    assert consumer._new_offset(P0) == 8


def feed(consumer: Consumer, monkeypatch: pytest.MonkeyPatch, fetched: dict[TP, list[Record]]) -> list[tuple[TP, int]]:
    """Let getmany see one fetch; returns where it went back to."""
    went_back: list[tuple[TP, int]] = []

    async def fetch(timeout: float) -> Any:
        return fetched, set(fetched)

    async def go_back(offsets: dict[TP, int]) -> dict[TP, int]:
        went_back.extend(offsets.items())
        return offsets

    monkeypatch.setattr(consumer, "_wait_next_records", fetch)
    monkeypatch.setattr(consumer._thread, "go_back", go_back)
    consumer.flow_active = True
    return went_back


async def collect(consumer: Consumer) -> list[Any]:
    return [message async for _, message in consumer.getmany(1.0)]


def test_a_fetched_partition_batch_arrives_as_one_message(consumer: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    feed(consumer, monkeypatch, {P0: records(7, 8, 9)})

    (message,) = asyncio.run(collect(consumer))
    assert [record.offset for record in message.value] == [7, 8, 9]
    assert message.offset == 9


def test_changelog_records_still_arrive_one_by_one(consumer: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    changelog = TP(TABLE, 0)
    feed(consumer, monkeypatch, {changelog: records(7, 8, 9)})
    monkeypatch.setattr(consumer, "_to_message", lambda tp, record: record)
    assert [message.offset for message in asyncio.run(collect(consumer))] == [7, 8, 9]


def test_a_batch_that_skips_records_is_not_delivered_but_read_again(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by killing workers: a fetch from before a rebalance arrived after the position was sought back to 300."""
    feed(consumer, monkeypatch, {P0: records(600, 601)})
    consumer._expected[P0] = 300
    assert asyncio.run(collect(consumer)) == []
    sought = feed(consumer, monkeypatch, {P0: records(300, 301)})
    assert [message.offset for message in asyncio.run(collect(consumer))] == [301]
    assert sought == [(P0, 300)]


def test_a_gap_of_the_log_itself_is_passed_after_asking_once_more(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(consumer, monkeypatch, {P0: records(600, 601)})
    consumer._expected[P0] = 599
    assert asyncio.run(collect(consumer)) == []
    assert [message.offset for message in asyncio.run(collect(consumer))] == [601]


def test_what_is_fetched_while_the_flow_stops_is_not_delivered(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = TP(TOPIC, 1)
    feed(consumer, monkeypatch, {P0: records(1, 2), other: records(41, 42)})

    async def stop_after_the_first() -> list[TP]:
        seen = []
        async for tp, _ in consumer.getmany(1.0):
            seen.append(tp)
            consumer.flow_active = False  # a rebalance begins while the first batch is handed over
        return seen

    assert asyncio.run(stop_after_the_first()) == [P0]
    assert consumer._expected == {P0: 3}


def test_nothing_is_delivered_into_queues_that_will_be_emptied(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by killing workers: what was fetched while the streams were sought back was never folded nor committed."""
    feed(consumer, monkeypatch, {P0: records(7, 8)})
    consumer.resume_partitions({P0})
    assert asyncio.run(collect(consumer)) == []
    consumer.resume_flow()  # Faust has emptied the agents' queues just before
    (message,) = asyncio.run(collect(consumer))
    assert [record.offset for record in message.value] == [7, 8]


def test_restoring_a_changelog_goes_on_while_only_changelogs_are_resumed(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    changelog = TP(TABLE, 0)
    feed(consumer, monkeypatch, {changelog: records(7)})
    monkeypatch.setattr(consumer, "_to_message", lambda tp, record: record)
    consumer.resume_partitions({changelog})
    assert len(asyncio.run(collect(consumer))) == 1


def test_all_but_the_last_record_of_a_changelog_batch_are_restored_at_once() -> None:
    restored: list[tuple[TP, list[Any]]] = []
    changelog, batch = TP(TABLE, 0), [SimpleNamespace(offset=number) for number in (4, 5, 7)]
    table = SimpleNamespace(data=SimpleNamespace(restore=lambda tp, records: restored.append((tp, records))))
    recovery = SimpleNamespace(in_recovery=True, active_tps={changelog}, active_offsets={})
    tables = SimpleNamespace(recovery=recovery, _changelogs={TABLE: table})
    fetching = SimpleNamespace(app=SimpleNamespace(tables=tables))
    assert Consumer._restored(fetching, changelog, batch) == batch[2:]  # type: ignore[arg-type]
    assert (restored, recovery.active_offsets) == ([(changelog, batch[:2])], {changelog: 5})
    assert Consumer._restored(fetching, changelog, batch[:2]) == batch[1:2]  # type: ignore[arg-type]
    assert Consumer._restored(fetching, changelog, batch[:1]) == batch[:1]  # type: ignore[arg-type]
    assert len(restored) == 2


@pytest.mark.stack
def test_partitions_alternate_however_much_of_one_was_fetched(deployment: Any) -> None:
    settings = deployment.settings(Settings)
    topic = settings.topic(ROUTING)
    with KafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers) as producer:
        for number in range(1000):
            producer.send(topic, partition=number % 2, value=b"x")

    async def fetched_partitions() -> list[list[int]]:
        thread = ConsumerThread.__new__(ConsumerThread)
        thread.consumer = SimpleNamespace(flow_active=True)
        client = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka_bootstrap_servers, auto_offset_reset="earliest", group_id=None
        )
        await client.start()
        try:
            both = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
            client.assign(both)
            until = time.monotonic() + 20
            while len(client._fetcher._records) < 2 and time.monotonic() < until:  # noqa: ASYNC110 (aiokafka tells nobody)
                await asyncio.sleep(0.02)
            fetches = [await thread._fetch_records(client, set(both), timeout=1.0, max_records=100) for _ in range(6)]
        finally:
            await client.stop()
        return [[tp.partition for tp in fetched] for fetched in fetches]

    first, second, *later = asyncio.run(fetched_partitions())
    assert sorted(first + second) == [0, 1]
    assert later == [first, second, first, second]
