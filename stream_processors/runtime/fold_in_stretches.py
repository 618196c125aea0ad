"""Folds a batch on the event loop, a stretch at a time, so that others can send and receive meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from stream_processors.runtime.batch import BatchFolder, Folded, Overlay
from stream_processors.runtime.batch_producer import BatchProducer
from stream_processors.runtime.batch_writer import BatchWriter
from stream_processors.runtime.store import Store

__all__ = ["fold_in_stretches"]

#: A flush takes some six rounds of the event loop, so a fold yields often while somebody waits for its batch. A batch
#: of `LARGE_BATCH` records is work that has piled up: yielding a quarter as often folds it sooner.
FOLD_STRETCH_SECONDS, LONG_STRETCH_SECONDS, LARGE_BATCH = 0.001, 0.004, 500


async def fold_in_stretches(
    folder: BatchFolder,
    store: Store,
    writer: BatchWriter,
    partition: int,
    records: Sequence[Any],
    writes: BatchProducer,
) -> Folded:
    """Folds records of a partition and adds outputs and dead letters to `writes`; yields after each stretch.

    Raises:
        StateFromTheFuture: as `BatchFolder.fold`.
    """
    overlay = Overlay(
        folder.codec,
        lambda key: store.get_bytes(partition, key),
        lambda prefix: store.scan_bytes(partition, prefix),
    )
    steps = folder.folding(partition, records, overlay)
    stretch = LONG_STRETCH_SECONDS if len(records) >= LARGE_BATCH else FOLD_STRETCH_SECONDS
    queued, yields_at = 0, time.perf_counter() + stretch
    while True:
        try:
            outputs = next(steps)
        except StopIteration as end:
            folded: Folded = end.value
            break
        if time.perf_counter() < yields_at:
            continue
        writer.add_outputs(writes, partition, outputs[queued:])
        queued = len(outputs)
        await asyncio.sleep(0)
        yields_at = time.perf_counter() + stretch
    writer.add_outputs(writes, partition, folded.outputs[queued:])
    writer.add_dead_letters(writes, partition, folded.failures)
    return folded
