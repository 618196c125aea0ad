"""The local state: RocksDB through Faust's table store, written by the worker loop in one atomic batch.

Registered as the `faust.stores` entry point `deskstream`. On recovery the value with the higher offset wins, so that
a late write of a worker that had already lost its partition cannot undo a newer state.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import rocksdict
from faust.stores.rocksdb import Store as RocksStore
from faust.types import TP, EventT

from stream_processors.states import stored_offset

#: Small on purpose: one database per partition and table, and the state of a customer is a few hundred bytes.
ROCKSDB_OPTIONS = {
    "driver": "rocksdict",
    "block_cache_size": 8 * 1024 * 1024,
    "write_buffer_size": 4 * 1024 * 1024,
    "max_write_buffer_number": 2,
    "max_open_files": 256,
}


class Store(RocksStore):  # type: ignore[misc]
    """One RocksDB database per partition; keys and values are bytes."""

    #: Called with the partitions whose state is complete after a recovery.
    on_recovered: Callable[[set[int]], Awaitable[None]] | None = None
    #: Called while a recovery makes progress.
    on_progress: Callable[[], None] | None = None

    def get_bytes(self, partition: int, key: bytes) -> bytes | None:
        return self._db_for_partition(partition).get(key)  # type: ignore[no-any-return]

    def scan_bytes(self, partition: int, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Pairs whose key starts with `prefix`, in key order."""
        iterator = self._db_for_partition(partition).iter()
        iterator.seek(prefix)
        while iterator.valid():
            key = iterator.key()
            if not key.startswith(prefix):
                return
            yield key, iterator.value()
            iterator.next()

    def write(self, partition: int, values: Mapping[bytes, bytes | None], offset: int) -> None:
        """Write states (None deletes) and the changelog offset that they are complete up to, atomically."""
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value in values.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(self.offset_key, str(offset).encode())
        self._db_for_partition(partition).write(batch)

    def apply_changelog_batch(
        self, batch: Iterable[EventT], to_key: Callable[[Any], Any], to_value: Callable[[Any], Any]
    ) -> None:
        """Faust's way in: one event per record. `restore` does the work."""
        by_partition: dict[TP, list[Any]] = {}
        for event in batch:
            by_partition.setdefault(event.message.tp, []).append(event.message)
        for tp, messages in by_partition.items():
            self.restore(tp, messages)

    def restore(self, tp: TP, records: Sequence[Any]) -> None:
        """Restore states from changelog records (`.key .value .offset`): the higher stored offset wins."""
        values: dict[bytes, bytes | None] = {}
        for record in records:
            key, value = record.key, record.value
            if value is not None:
                known = values[key] if key in values else self.get_bytes(tp.partition, key)
                if known is not None and stored_offset(known) > stored_offset(value):
                    continue
            values[key] = value
        self.write(tp.partition, values, records[-1].offset)
        if self.on_progress:
            self.on_progress()

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        await super().on_recovery_completed(active_tps, standby_tps)
        if self.on_recovered:
            await self.on_recovered({tp.partition for tp in active_tps})
