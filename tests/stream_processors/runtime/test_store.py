"""The local store while it is restored: whose value stands, and what a crash leaves of it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import pack

import faust
import pytest
from faust.types import TP
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.process import Health
from schemas.settings import WorkerSettings
from stream_processors.app import build
from stream_processors.routing.processor import RoutingProcessor
from stream_processors.rules import ruleset
from stream_processors.runtime import store
from stream_processors.runtime.store import ROCKSDB_OPTIONS, SeenKeys, Store
from stream_processors.tickets.processor import TicketsProcessor

P0 = TP("a-changelog", 0)
SPAWN = multiprocessing.get_context("spawn")
OpenStore = Callable[[Path], Store]


@dataclass
class Record:
    offset: int
    key: bytes
    value: bytes | None


def state(offset: int, body: bytes = b"") -> bytes:
    return pack(">Bq", 1, offset) + body


def open_in(directory: Path) -> Store:
    async def make() -> Store:
        app = faust.App("store-test", broker="deskstream://127.0.0.1:1", datadir=str(directory), web_enabled=False)
        table = app.Table("states", partitions=1, key_type=bytes, value_type=bytes)
        return Store("deskstream://", app, table, options=dict(ROCKSDB_OPTIONS))

    return asyncio.run(make())


@pytest.fixture
def open_store() -> Iterator[OpenStore]:
    opened: list[Store] = []

    def remember(directory: Path) -> Store:
        opened.append(open_in(directory))
        return opened[-1]

    yield remember
    for each in opened:
        asyncio.run(each.stop())


def contents(store: Store) -> dict[bytes, bytes]:
    return dict(store.scan_bytes(0, b"c"))


def complete(store: Store) -> None:
    asyncio.run(store.on_recovery_completed({P0}, set()))


def crash(directory: Path, doing: Callable[[Store], None]) -> None:
    """Open a store in another process, do something with it, and die there by kill -9."""
    process = SPAWN.Process(target=live_and_die, args=(directory, doing))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def live_and_die(directory: Path, doing: Callable[[Store], None]) -> None:
    doing(open_in(directory))
    os.kill(os.getpid(), signal.SIGKILL)


def model(history: Sequence[Record]) -> dict[bytes, bytes]:
    """The higher stored offset wins; a tombstone deletes whatever is there."""
    states: dict[bytes, bytes] = {}
    for record in history:
        if record.value is None:
            states.pop(record.key, None)
        elif record.key not in states or states[record.key] <= record.value:  # big-endian offsets sort as bytes
            states[record.key] = record.value
    return states


histories = st.lists(
    st.tuples(st.sampled_from([b"c%d" % n for n in range(6)]), st.none() | st.integers(0, 9).map(state)),
    min_size=1,
    max_size=40,
).map(lambda pairs: [Record(offset, key, value) for offset, (key, value) in enumerate(pairs)])


@settings(max_examples=20, deadline=None)
@given(history=histories, cuts=st.sets(st.integers(1, 39)), begun_elsewhere=st.integers(0, 10))
def test_a_recovery_in_any_batches_ends_where_one_record_after_another_does(
    tmp_path_factory: pytest.TempPathFactory, history: list[Record], cuts: set[int], begun_elsewhere: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SeenKeys, "SLOTS", 4)  # six keys: some are taken for known that are not
        directory = tmp_path_factory.mktemp("restore")
        first, rest = history[:begun_elsewhere], history[begun_elsewhere:]
        if first:  # an earlier recovery came so far: this one starts with a store that is behind
            before = open_in(directory)
            before.restore(P0, first)
            complete(before)
            asyncio.run(before.stop())
        after, start = open_in(directory), 0
        for end in [*sorted(cut for cut in cuts if cut < len(rest)), len(rest)]:
            if rest[start:end]:
                after.restore(P0, rest[start:end])
            start = end
        complete(after)
        assert contents(after) == model(history)
        assert after.persisted_offset(P0) == history[-1].offset
        asyncio.run(after.stop())


def test_a_store_that_is_behind_keeps_its_newer_state(tmp_path: Path, open_store: OpenStore) -> None:
    local = open_store(tmp_path)
    local.write(0, {b"c1": state(7, b"newer"), b"c2": state(1)}, offset=40)
    local.restore(P0, [Record(41, b"c1", state(5)), Record(42, b"c2", state(2)), Record(43, b"c3", state(0))])
    complete(local)
    assert contents(local) == {b"c1": state(7, b"newer"), b"c2": state(2), b"c3": state(0)}


def test_a_gap_that_compaction_left_is_only_a_jump_of_the_offset(tmp_path: Path, open_store: OpenStore) -> None:
    local = open_store(tmp_path)
    local.restore(P0, [Record(3, b"c1", state(3)), Record(900, b"c2", state(4))])
    complete(local)
    assert (contents(local), local.persisted_offset(P0)) == ({b"c1": state(3), b"c2": state(4)}, 900)


LONG_HISTORY = [Record(offset, b"c%d" % (offset % 2500), state(offset, bytes(300))) for offset in range(4000)]


def restore_most_of_it(dying: Store) -> None:
    store.RESTORING_BUFFER_BYTES = 64 * 1024  # flushed every few batches
    for start in range(0, 3800, 100):
        dying.restore(P0, LONG_HISTORY[start : start + 100])


def test_a_crash_in_the_middle_of_a_recovery_leaves_a_beginning_of_it(tmp_path: Path, open_store: OpenStore) -> None:
    crash(tmp_path, restore_most_of_it)
    survivor = open_store(tmp_path)
    reached = survivor.persisted_offset(P0)
    assert reached is not None and 1000 < reached < 3800, "some of it was flushed, and not all"
    assert contents(survivor) == model(LONG_HISTORY[: reached + 1])

    for start in range(reached, 4000, 100):  # Faust reads the last record again
        survivor.restore(P0, LONG_HISTORY[start : start + 100])
    complete(survivor)
    assert contents(survivor) == model(LONG_HISTORY)


def recover_and_write(local: Store) -> None:
    local.restore(P0, [Record(0, b"c1", state(0)), Record(1, b"c2", state(1))])
    complete(local)
    local.write(0, {b"c3": state(2)}, offset=2)


def write_at_once(local: Store) -> None:
    local.restore(P0, [Record(0, b"c1", state(0)), Record(1, b"c2", state(1))])
    local.write(0, {b"c3": state(2)}, offset=2)


@pytest.mark.parametrize("doing", [recover_and_write, write_at_once])
def test_a_crash_after_a_recovery_loses_nothing(
    tmp_path: Path, open_store: OpenStore, doing: Callable[[Store], None]
) -> None:
    crash(tmp_path, doing)
    survivor = open_store(tmp_path)
    assert contents(survivor) == {b"c1": state(0), b"c2": state(1), b"c3": state(2)}
    assert survivor.persisted_offset(P0) == 2


def test_a_partition_that_was_away_is_not_taken_for_empty(tmp_path: Path, open_store: OpenStore) -> None:
    """What this process remembers of a recovery that a rebalance ended says nothing about the next one."""
    local = open_store(tmp_path)
    local.restore(P0, [Record(0, b"c1", state(0))])
    local.revoke_partitions(local.table, {TP(local.table.changelog_topic_name, 0)})
    other = open_store(tmp_path)
    other.write(0, {b"c2": state(9)}, offset=5)
    asyncio.run(other.stop())
    local.restore(P0, [Record(6, b"c2", state(3))])
    assert contents(local) == {b"c1": state(0), b"c2": state(9)}


def test_an_empty_disk_is_hardly_read(tmp_path: Path, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    local, asked = open_store(tmp_path), 0
    add = SeenKeys.add

    def counted(self: SeenKeys, keys: Sequence[bytes]) -> list[bytes]:
        nonlocal asked
        before = add(self, keys)
        asked += len(before)
        return before

    monkeypatch.setattr(SeenKeys, "add", counted)
    for start in range(0, 20_000, 1000):
        local.restore(P0, [Record(n, b"c%d" % n, state(n)) for n in range(start, start + 1000)])
    assert asked < 400
    local.restore(P0, [Record(20_000, b"c7", state(20_000))])
    assert contents(local)[b"c7"] == state(20_000)


def test_ready_means_that_every_agent_has_its_states_and_timers(tmp_path: Path) -> None:
    async def recover() -> list[bool]:
        health, seen = Health(), []
        app = build(WorkerSettings(state_dir=tmp_path), [TicketsProcessor(ruleset.load()), RoutingProcessor()], health)
        for worker in app.deskstream_workers:
            worker.assigned = lambda: [0]  # no consumer is connected
            await worker._begin({0})
            seen.append(health.ready)
            await worker.store.stop()
        return seen

    assert asyncio.run(recover()) == [False, True]


def test_no_file_holds_a_state_that_was_deleted_for_an_erasure(tmp_path: Path, open_store: OpenStore) -> None:
    secret = os.urandom(40)  # which no compression shortens
    store = open_store(tmp_path)
    for offset in range(3):
        store.write(0, {b"c%d" % number: state(offset, b"other") for number in range(9)}, offset)
        store.write(0, {b"c5": state(offset, secret)}, offset)
        store._db_for_partition(0).flush()
    stored = [path for path in tmp_path.rglob("*") if path.is_file() and secret in path.read_bytes()]
    assert stored
    store.write(0, {b"c5": None}, 3)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and secret in path.read_bytes()] == []
    assert sorted(contents(store)) == [b"c%d" % number for number in range(9) if number != 5]
