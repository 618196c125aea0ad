"""The brokers refuse what a former owner of a partition writes, from the first record of its next owner on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from schemas.settings import WorkerSettings
from schemas.topics import TAG_FACTS, changelog
from stream_processors.runtime.batch_producer import BatchProducer, Fenced
from stream_processors.runtime.fenced_producers import FENCE_KEY, FencedProducers
from tests.support.faults.recount import read

CHANGELOG = changelog("deskstream", "tickets")


async def write(producer: Any, topic: str, partition: int, value: bytes) -> None:
    writes = BatchProducer(producer, int(time.time() * 1000))
    writes.add(topic, partition, b"c1", value)
    await writes.flush()


class Owner:
    """A process that claims partitions of tickets."""

    def __init__(self, deployment: Any, name: str) -> None:
        self.settings = deployment.settings(WorkerSettings, worker_id=name)
        self.states, self.facts = self.settings.topic(CHANGELOG), self.settings.topic(TAG_FACTS)
        self.producers = FencedProducers(self.settings, "tickets", self.states)

    async def write(self, topic: str, partition: int, value: bytes) -> None:
        await write(self.producers.of(partition), topic, partition, value)


def run(deployment: Any, scene: Callable[[Owner, Owner], Coroutine[Any, Any, None]]) -> None:
    async def both() -> None:
        old, new = Owner(deployment, "old"), Owner(deployment, "new")
        try:
            await scene(old, new)
        finally:
            await old.producers.stop()
            await new.producers.stop()

    asyncio.run(both())


def values(deployment: Any, topic: Any) -> list[bytes | None]:
    return [record.value for record in read(deployment.settings(WorkerSettings), topic) if record.key != FENCE_KEY]


@pytest.mark.stack
def test_states_of_a_former_owner_are_refused_once_the_next_has_claimed(deployment: Any) -> None:
    async def scene(old: Owner, new: Owner) -> None:
        await old.producers.claim([0, 1])
        await old.write(old.states, 0, b"before")
        await new.producers.claim([0])
        with pytest.raises(Fenced):
            await old.write(old.states, 0, b"late")
        await new.write(new.states, 0, b"after")
        with pytest.raises(Fenced):
            await old.write(old.states, 0, b"later")
        await old.write(old.states, 1, b"its own")

    run(deployment, scene)
    assert values(deployment, CHANGELOG) == [b"before", b"after", b"its own"]


@pytest.mark.stack
def test_facts_of_a_former_owner_end_where_those_of_the_next_begin(deployment: Any) -> None:
    async def scene(old: Owner, new: Owner) -> None:
        await old.producers.claim([2])
        await new.producers.claim([2])
        await old.write(old.facts, 2, b"as the next will write it")
        await new.write(new.facts, 2, b"as the next will write it")
        with pytest.raises(Fenced):
            await old.write(old.facts, 2, b"late")

    run(deployment, scene)
    assert values(deployment, TAG_FACTS) == [b"as the next will write it"] * 2


@pytest.mark.stack
def test_a_claim_ends_the_changelog_with_a_tombstone_that_names_its_owner(deployment: Any) -> None:
    async def scene(old: Owner, new: Owner) -> None:
        await old.producers.claim([3])
        await new.producers.claim([3])

    run(deployment, scene)
    records = list(read(deployment.settings(WorkerSettings), CHANGELOG))
    assert [(record.partition, record.key, record.value) for record in records] == [(3, FENCE_KEY, None)] * 2
    assert [dict(record.headers)["owner"] for record in records] == [b"old", b"new"]


@pytest.mark.stack
def test_an_owner_claims_anew_after_every_rebalance_and_gives_up_the_rest(deployment: Any) -> None:
    async def scene(old: Owner, new: Owner) -> None:
        await old.producers.claim([0, 1])
        former = old.producers.of(0)
        await old.producers.claim([0])
        assert not old.producers.holds(0, former)
        assert 1 not in old.producers
        with pytest.raises(Fenced):
            old.producers.of(1)
        with pytest.raises(Fenced):
            await write(former, old.states, 0, b"of the generation before")
        await old.write(old.states, 0, b"now")

    run(deployment, scene)
    assert values(deployment, CHANGELOG) == [b"now"]


@pytest.mark.stack
def test_a_claim_is_renewed_between_two_batches_not_in_one(deployment: Any) -> None:
    async def scene(old: Owner, new: Owner) -> None:
        await old.producers.claim([0])
        first = old.producers.of(0)
        await old.producers.renew()
        assert old.producers.holds(0, first), "it is young"
        async with old.producers.busy(0):
            renewing = asyncio.create_task(old.producers.renew(older_than_seconds=0.0))
            await old.write(old.states, 0, b"a batch")
            assert old.producers.holds(0, first)
        await renewing
        assert not old.producers.holds(0, first)
        await old.write(old.states, 0, b"the next")

    run(deployment, scene)
    assert values(deployment, CHANGELOG) == [b"a batch", b"the next"]
