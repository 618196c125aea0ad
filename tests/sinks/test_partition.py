"""One partition of the delivery sink: which offset may be committed, and what an earlier owner may have begun."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from schemas.settings import SinkSettings
from sinks.delivery import partition as partition_module
from sinks.delivery.channel_backoff import ChannelBackoff
from sinks.delivery.history import DeliveryHistory
from sinks.delivery.partition import CLOCK_SKEW_SECONDS, MOST_BEGUN, AssignedPartition
from tests.support.sinks.examples import outbound


@pytest.fixture(autouse=True)
def empty_history(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(settings: SinkSettings, number: int) -> DeliveryHistory:
        return DeliveryHistory(10)

    monkeypatch.setattr(partition_module, "read_history", nothing)


def within(work: Callable[[AssignedPartition], Awaitable[None]]) -> None:
    """Runs `work` on a partition that was assigned now."""

    async def run() -> None:
        assigned = AssignedPartition(TopicPartition("outbound", 1), SinkSettings())
        try:
            await work(assigned)
        finally:
            assigned.cancel()

    asyncio.run(run())


async def done() -> None:
    pass


async def fails() -> None:
    raise ValueError("a defect")


def record(offset: int, seconds_ago: float = 0.0) -> Any:
    return SimpleNamespace(offset=offset, timestamp=int((time.time() - seconds_ago) * 1000))


@pytest.mark.parametrize(
    ("ends", "finished_to"),
    [("done", 9), ("running", 6), ("cancelled", 6), ("failed", 6)],
    ids=lambda value: str(value),
)
def test_only_records_without_a_gap_are_finished(ends: str, finished_to: int) -> None:
    async def work(assigned: AssignedPartition) -> None:
        middle = asyncio.create_task({"done": done, "failed": fails}.get(ends, asyncio.Event().wait)())  # type: ignore[operator]
        tasks = [asyncio.create_task(done()), middle, asyncio.create_task(done())]
        for offset, task in zip((5, 6, 8), tasks, strict=True):
            assigned.unfinished.append((offset, task))
        if ends == "cancelled":
            middle.cancel()
        await asyncio.wait(tasks, timeout=0.05 if ends == "running" else None)
        if ends == "failed":
            with pytest.raises(ValueError, match="a defect"):
                assigned.advance()
        else:
            assigned.advance()
        assert assigned.finished_to == finished_to

    within(work)


@pytest.mark.parametrize(
    ("first", "offset", "written_ago", "expected"),
    [
        (100, 100, 30.0, True),
        (100, 99 + MOST_BEGUN, 30.0, True),
        (100, 100 + MOST_BEGUN, 30.0, False),  # no owner begins so far ahead
        (None, 100, 30.0, False),
        (100, 100, 5.0 - CLOCK_SKEW_SECONDS, True),  # the broker's clock is ahead of ours
        (100, 100, -5.0 - CLOCK_SKEW_SECONDS, False),  # written after the partition was ours
    ],
)
def test_an_earlier_owner_may_have_begun_what_it_had_read(
    first: int | None, offset: int, written_ago: float, expected: bool
) -> None:
    async def work(assigned: AssignedPartition) -> None:
        assigned.first = first
        history = DeliveryHistory(10)
        history.add("other", "delivered", ["SM1"])
        earlier = assigned.earlier_attempt(record(offset, written_ago), outbound(outbound_id="ours"), history)
        assert (earlier is not None) == expected
        if earlier is not None:
            assert abs(earlier.since / 1e6 - (time.time() - written_ago)) < 60
            assert (earlier.is_of_another("SM1"), earlier.is_of_another("SM2")) == (True, False)

    within(work)


def test_a_channel_is_left_alone_twice_as_long_after_each_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("sinks.delivery.channel_backoff.time", SimpleNamespace(monotonic=lambda: now[0]))
    backoff, waits = ChannelBackoff(), []
    for _ in range(9):
        backoff.failed("sms")
        waits.append(round(backoff.seconds("sms"), 3))
        backoff.failed("sms")  # of many that fail together, the first counts
        assert round(backoff.seconds("sms"), 3) == waits[-1]
        now[0] += waits[-1]
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0]
    assert (backoff.any_unavailable, backoff.seconds("email")) == (True, 0.0)
    backoff.works("sms")
    assert (backoff.any_unavailable, backoff.seconds("sms")) == (False, 0.0)
    backoff.failed("sms")
    assert round(backoff.seconds("sms"), 3) == 0.2
