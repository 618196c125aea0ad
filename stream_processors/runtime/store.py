"""Stores the local state in RocksDB, through Faust's table store; the worker loop writes each batch atomically.

Registered as the `faust.stores` entry point `deskstream`. On recovery the value with the higher offset wins, so that
a late write of a worker that had already lost its partition cannot undo a newer state.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import rocksdict
from faust.stores.rocksdb import Store as RocksStore
from faust.types import TP, CollectionT, EventT

from stream_processors.runtime.state_codec import stored_offset

#: Small on purpose: one database per partition and table, and the state of a customer is a few hundred bytes.
ROCKSDB_OPTIONS = {
    "driver": "rocksdict",
    "block_cache_size": 8 * 1024 * 1024,
    "write_buffer_size": 4 * 1024 * 1024,
    "max_write_buffer_number": 2,
    "max_open_files": 256,
    "bloom_filter_size": 10,
}
#: While a partition is restored its memtables are larger: a million states in files of 4 MiB are compacted many times.
#: And there is no write-ahead log, since the changelog is one: after a crash, what was flushed is the state at the offset
#: that was flushed with it, and the next recovery goes on from there.
RESTORING_BUFFER_BYTES = 16 * 1024 * 1024
UNLOGGED = rocksdict.WriteOptions()
UNLOGGED.disable_wal = True


#: What a key begins with whose deletion is an erasure: its earlier values leave the files at once, not with some later compaction.
FORGOTTEN = b"c"


class SeenKeys:
    """Remembers keys that a recovery may have written. Forgets none, takes few new keys for known, and stays at 4 MB."""

    SLOTS = 1 << 22

    def __init__(self) -> None:
        self._slots = bytearray(self.SLOTS)

    def add(self, keys: Iterable[bytes]) -> list[bytes]:
        """Remembers keys; returns those that may have been there before."""
        slots, mask, before = self._slots, self.SLOTS - 1, []
        for key in keys:
            slot = hash(key) & mask
            if slots[slot]:
                before.append(key)
            else:
                slots[slot] = 1
        return before


class Store(RocksStore):  # type: ignore[misc]
    """Holds one RocksDB database per partition; keys and values are bytes."""

    #: Called with the partitions whose state is complete after a recovery.
    on_recovered: Callable[[set[int]], Awaitable[None]] | None = None
    #: Called while a recovery makes progress.
    on_progress: Callable[[], None] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        #: Partitions whose recovery is under way, with the keys that it has written if the database was empty before.
        self._restoring: dict[int, SeenKeys | None] = {}
        super().__init__(*args, **kwargs)

    def get_bytes(self, partition: int, key: bytes) -> bytes | None:
        """Returns a stored value, or None."""
        return self._db_for_partition(partition).get(key)  # type: ignore[no-any-return]

    def scan_bytes(self, partition: int, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yields the pairs whose key starts with `prefix`, in key order."""
        iterator = self._db_for_partition(partition).iter()
        iterator.seek(prefix)
        while iterator.valid():
            key = iterator.key()
            if not key.startswith(prefix):
                return
            yield key, iterator.value()
            iterator.next()

    def scan_from(self, partition: int, key: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yields the pairs from this key on, in key order, as the database is at the first of them."""
        iterator = self._db_for_partition(partition).iter()
        iterator.seek(key)
        while iterator.valid():
            yield iterator.key(), iterator.value()
            iterator.next()

    def write(self, partition: int, values: Mapping[bytes, bytes | None], offset: int) -> None:
        """Writes states (None deletes) and the changelog offset that they are complete up to, atomically."""
        self._end_restoring(partition)
        database = self._db_for_partition(partition)
        database.write(self._batch(values, offset))
        for key in [key for key, value in values.items() if value is None and key[:1] == FORGOTTEN]:
            database.flush()  # with the memtable goes the write-ahead log
            database.compact_range(key, key + b"\0")

    def _batch(self, values: Mapping[bytes, bytes | None], offset: int) -> rocksdict.WriteBatch:
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value in values.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(self.offset_key, str(offset).encode())
        return batch

    def apply_changelog_batch(
        self, batch: Iterable[EventT], to_key: Callable[[Any], Any], to_value: Callable[[Any], Any]
    ) -> None:
        """Restores changelog records as Faust hands them over, one event each; `restore` does the work.

        Faust gives a record of a partition that was taken away meanwhile to whichever table had one before.
        """
        by_partition: dict[TP, list[Any]] = {}
        for event in batch:
            if event.message.tp.topic not in self.table.changelog_topic.topics:
                continue
            by_partition.setdefault(event.message.tp, []).append(event.message)
        for tp, messages in by_partition.items():
            self.restore(tp, messages)

    def restore(self, tp: TP, records: Sequence[Any]) -> None:
        """Restores states from changelog records (`.key .value .offset`): the higher stored offset wins."""
        values = self._stored(tp.partition, records)
        changed: dict[bytes, bytes | None] = {}
        for record in records:
            key, value = record.key, record.value
            if value is not None:
                known = values.get(key)
                if known is not None and stored_offset(known) > stored_offset(value):
                    continue
            values[key] = changed[key] = value
        self._db_for_partition(tp.partition).write(self._batch(changed, records[-1].offset), UNLOGGED)
        if self.on_progress:
            self.on_progress()

    def _stored(self, partition: int, records: Sequence[Any]) -> dict[bytes, bytes | None]:
        """Returns the stored values of the keys of these records, without asking for keys that cannot be there.

        A read costs more than all the rest of a recovery. On an empty disk, which is where a million states have to be
        restored, nearly every key comes for the first time.
        """
        if partition not in self._restoring:
            self._begin_restoring(partition)
        keys: Iterable[bytes] = {record.key: None for record in records if record.value is not None}
        seen = self._restoring[partition]
        asked = list(keys if seen is None else seen.add(keys))
        return dict(zip(asked, self._db_for_partition(partition).get(asked), strict=True)) if asked else {}

    def _begin_restoring(self, partition: int) -> None:
        database = self._db_for_partition(partition)
        database.set_options({"write_buffer_size": str(RESTORING_BUFFER_BYTES)})
        first = database.iter()
        first.seek_to_first()
        self._restoring[partition] = None if first.valid() else SeenKeys()

    def _end_restoring(self, partition: int) -> None:
        """Flushes what was written without a log, before anything that is logged could outlive it in a crash."""
        if partition in self._restoring:
            database = self._db_for_partition(partition)
            database.flush()
            database.set_options({"write_buffer_size": str(ROCKSDB_OPTIONS["write_buffer_size"])})
            del self._restoring[partition]

    def revoke_partitions(self, table: CollectionT, tps: set[TP]) -> None:
        """Closes the databases of partitions that were taken away."""
        for tp in tps:
            if tp.topic in table.changelog_topic.topics:
                self._restoring.pop(tp.partition, None)
        super().revoke_partitions(table, tps)

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Flushes what was restored and reports its partitions as recovered."""
        await super().on_recovery_completed(active_tps, standby_tps)
        for partition in list(self._restoring):
            self._end_restoring(partition)
        if self.on_recovered:
            await self.on_recovered({tp.partition for tp in active_tps})
