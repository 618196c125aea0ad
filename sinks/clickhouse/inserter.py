"""One group of facts of one kind into one table, whatever ClickHouse says.

| ClickHouse answers            | then                                                                          |
|-------------------------------|-------------------------------------------------------------------------------|
| inserted                      | done                                                                          |
| a code in RETRY, no answer    | the same block with the same token again, with backoff, until it succeeds     |
| a code in SETUP               | stop: no record is to blame, nothing is committed                             |
| anything else, undecodable    | the records that Python cannot decode are dead letters, the others go in      |
| anything else, all decodable  | halves, quarters, ... until the refused record is alone: a dead letter        |
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

Letter = tuple[Any, str, Exception]

#: Every insert: written when answered; imported history may touch more months than a block usually does.
SETTINGS: dict[str, Any] = {
    "async_insert": 0,
    "throw_on_max_partitions_per_insert_block": 0,
}
#: So many records that decode well, and more than half of a group, refused by ClickHouse: the table is wrong, not they.
PROTECT_FROM = 20
log = structlog.get_logger()


class RefusedByClickHouse(DeskstreamError):
    """ClickHouse does not take one record that this build can decode."""


class TooManyRefused(DeskstreamError):
    """ClickHouse refuses most of the records: stop before they all become dead letters."""


class Inserter:
    """Inserts groups; `paused` hears True and why at every failure of a kind that passes, and False after it."""

    def __init__(self, client: Client, paused: Callable[[bool, str], None]) -> None:
        self._client, self._paused = client, paused

    async def insert(self, shape: Shape, records: Sequence[Any]) -> list[Letter]:
        """Insert all that can be inserted; returns the rest, to be dead-lettered, in log order.

        Raises:
            ConfigurationError: a table, column or right is missing.
            TooManyRefused: see PROTECT_FROM.
        """
        error = await self._attempt(shape, records)
        if error is None:
            return []
        letters, good = await asyncio.to_thread(_undecodable, records)
        if letters:
            error = await self._attempt(shape, good) if good else None
        if error is not None:
            refused = await self._bisect(shape, good, error)
            if len(refused) >= PROTECT_FROM and len(refused) * 2 > len(good):
                raise TooManyRefused(f"ClickHouse refuses {len(refused)} of {len(good)} rows: {refused[0][2]}")
            letters += refused
        return sorted(letters, key=lambda letter: (letter[0].topic, letter[0].partition, letter[0].offset))

    async def _bisect(self, shape: Shape, records: Sequence[Any], error: Exception) -> list[Letter]:
        """The records in a refused block that are refused by themselves; the others go in."""
        if len(records) == 1:
            return [(records[0], "refused_by_clickhouse", RefusedByClickHouse(server_message(error)))]
        middle = len(records) // 2
        letters: list[Letter] = []
        for half in (records[:middle], records[middle:]):
            refused = await self._attempt(shape, half)
            if refused is not None:
                letters += await self._bisect(shape, half, refused)
        return letters

    async def _attempt(self, shape: Shape, records: Sequence[Any]) -> Exception | None:
        """Insert one block, however long it takes; the error when it is the block that ClickHouse does not want."""
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
        """One insert. Runs on a thread, so that fetching goes on meanwhile."""
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


def _undecodable(records: Sequence[Any]) -> tuple[list[Letter], list[Any]]:
    letters: list[Letter] = []
    good = []
    for record in records:
        try:
            codec.decode(record.value)
        except CodecError as error:
            letters.append((record, error.reason, error))
        else:
            good.append(record)
    return letters, good
