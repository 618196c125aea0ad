"""Inserts a group of facts of one kind into its table, and finds the records that ClickHouse refuses.

| ClickHouse answers            | then                                                                          |
|-------------------------------|-------------------------------------------------------------------------------|
| inserted                      | done                                                                          |
| a code in RETRY, no answer    | the same block with the same token again, with backoff, until it succeeds     |
| a code in SETUP               | stop: no record is the cause, nothing is committed                            |
| anything else, undecodable    | the records that Python cannot decode are dead letters, the others go in      |
| anything else, all decodable  | halves, quarters, ... until the refused record is alone: a dead letter      |
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas import codec
from schemas.backoff import Backoff
from schemas.errors import CodecError, ConfigurationError, DeskstreamError
from schemas.metrics import INSERT_RETRIES, INSERT_SECONDS, ROWS_WRITTEN
from sinks.clickhouse.avro_file import Shape
from sinks.clickhouse.batch import token
from sinks.clickhouse.connection import Kind, kind_of, name_of, server_message
from sinks.clickhouse.table import tables

#: A record that is not inserted: the record, the reason for its dead letter, and the error.
Rejected = tuple[Any, str, Exception]

#: Settings of every insert: it is answered once written; imported history may touch more months than a usual block.
SETTINGS: dict[str, Any] = {
    "async_insert": 0,
    "throw_on_max_partitions_per_insert_block": 0,
}
#: When ClickHouse refuses this many decodable records, and more than half of a group, the table is wrong, not the records.
PROTECT_FROM = 20
log = structlog.get_logger()


class RefusedByClickHouse(DeskstreamError):
    """ClickHouse refuses one record that this build can decode."""


class TooManyRefused(DeskstreamError):
    """ClickHouse refuses most of the records: stop before they all become dead rejected."""


def begin_at_zero() -> None:
    """Lets the counters of every table begin at 0."""
    for table in tables().values():
        ROWS_WRITTEN.labels(table.name)
        INSERT_SECONDS.labels(table.name)


class Inserter:
    """Inserts groups. Calls `paused` with True and why at every failure that is retried, and with False after it."""

    def __init__(self, client: Client, paused: Callable[[bool, str], None]) -> None:
        self._client, self._paused = client, paused

    async def insert(self, shape: Shape, records: Sequence[Any]) -> list[Rejected]:
        """Inserts the records that ClickHouse takes; returns the others, to be dead-lettered, in log order.

        Raises:
            ConfigurationError: a table, column or right is missing.
            TooManyRefused: see PROTECT_FROM.
        """
        error = await self._attempt(shape, records)
        if error is None:
            return []
        rejected, good = await asyncio.to_thread(_undecodable, records)
        if rejected:
            error = await self._attempt(shape, good) if good else None
        if error is not None:
            refused = await self._bisect(shape, good, error)
            if len(refused) >= PROTECT_FROM and len(refused) * 2 > len(good):
                raise TooManyRefused(f"ClickHouse refuses {len(refused)} of {len(good)} rows: {refused[0][2]}")
            rejected += refused
        return sorted(rejected, key=lambda each: (each[0].topic, each[0].partition, each[0].offset))

    async def _bisect(self, shape: Shape, records: Sequence[Any], error: Exception) -> list[Rejected]:
        """Returns the records of a refused block that are refused alone; inserts the others."""
        if len(records) == 1:
            return [(records[0], "refused_by_clickhouse", RefusedByClickHouse(server_message(error)))]
        middle = len(records) // 2
        rejected: list[Rejected] = []
        for half in (records[:middle], records[middle:]):
            refused = await self._attempt(shape, half)
            if refused is not None:
                rejected += await self._bisect(shape, half, refused)
        return rejected

    async def _attempt(self, shape: Shape, records: Sequence[Any]) -> Exception | None:
        """Inserts one block, retried without limit; returns the error when ClickHouse refuses the block itself."""
        table = shape.table.name
        backoff = Backoff(0.1, 5.0)
        while True:
            try:
                await asyncio.to_thread(self._send, shape, records)
            except (ClickHouseError, OSError) as error:
                kind = kind_of(error)
                if kind is Kind.DATA:
                    return error
                if kind is Kind.SETUP:
                    raise ConfigurationError(f"ClickHouse cannot fill {table}: {server_message(error)}") from error
                wait = backoff.failed()
                INSERT_RETRIES.labels(table, name_of(error)).inc()
                self._paused(True, f"ClickHouse is away: {server_message(error)}")
                log.warning("insert_tried_again", table=table, failures=backoff.failures, error=server_message(error))
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))
                continue
            if backoff.failures:
                self._paused(False, "")
            return None

    def _send(self, shape: Shape, records: Sequence[Any]) -> None:
        """Sends one insert. Runs on a thread, so that fetching goes on meanwhile."""
        table = shape.table.name
        started = time.perf_counter()
        self._client.raw_insert(
            table,
            column_names=shape.columns,
            insert_block=shape.file([record.value for record in records]),
            fmt="Avro",
            settings={**SETTINGS, "insert_deduplication_token": token(table, records)},
        )
        INSERT_SECONDS.labels(table).observe(time.perf_counter() - started)
        ROWS_WRITTEN.labels(table).inc(len(records))


def _undecodable(records: Sequence[Any]) -> tuple[list[Rejected], list[Any]]:
    rejected: list[Rejected] = []
    good = []
    for record in records:
        try:
            codec.decode(record.value)
        except CodecError as error:
            rejected.append((record, error.reason, error))
        else:
            good.append(record)
    return rejected, good
