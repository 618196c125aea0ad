"""Makes, fills, compares and removes the database of a recomputation.

`<database>_recompute_<name>` has all tables and views of this build and three more. `recompute_run` has one row, once the
recomputation is complete. `comparison` has every clock of every ticket, old beside new; `differences` has those that
differ. Old are the clocks of the live tables, new those of the recomputation.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any, BinaryIO

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.codec import HEADER_BYTES
from schemas.errors import ConfigurationError, Unavailable
from schemas.settings import SinkSettings
from sinks.clickhouse import connection, migrate
from sinks.clickhouse.avro_file import shapes
from sinks.clickhouse.connection import Kind, kind_of, server_message
from sinks.clickhouse.inserter import SETTINGS
from sinks.clickhouse.query import draw

__all__ = ["begin", "database_of", "drop", "fill", "show"]

_NAME = re.compile(r"[A-Za-z0-9_]{1,40}")
_BLOCK_RECORDS = 50_000
_RUN = """
CREATE TABLE recompute_run (
    rules String, policies String, until DateTime64(6, 'UTC'), events UInt64, facts UInt64,
    refused Map(String, UInt64), cut Array(UInt16), finished_at DateTime64(6, 'UTC') DEFAULT now64(6)
) ENGINE = MergeTree ORDER BY finished_at
"""
#: The last state of every clock in the ledger. A breach counts unless a correction from before the deadline withdrew it.
_SIDE = """
    SELECT ticket_id, clock, episode, instance,
           argMax(ledger.policy, sequence) AS policy, argMax(ledger.target_seconds, sequence) AS target_seconds,
           argMaxIf(ledger.due_at, sequence, ledger.due_at IS NOT NULL) AS due_at,
           argMax(transition, sequence) AS last,
           multiIf(countIf(transition = 'breach') > countIf(transition = 'correct' AND at < ledger.due_at), 'breached',
                   last = 'fulfil', 'met', last = 'cancel', 'cancelled', last = 'pause', 'paused', 'running') AS state
    FROM {database}.clocks AS ledger FINAL
    GROUP BY ticket_id, clock, episode, instance
"""
_COMPARISON = """
CREATE VIEW comparison AS
SELECT
    tickets.created_at AS created_at, tickets.channel AS channel, ticket_id, clock, episode, instance,
    multiIf(old.state = '', 'new', new.state = '', 'gone', old.policy != new.policy, 'policy',
            old.target_seconds IS DISTINCT FROM new.target_seconds, 'target',
            old.due_at IS DISTINCT FROM new.due_at, 'deadline', old.state != new.state, 'state', '') AS difference,
    old.policy AS old_policy, old.target_seconds AS old_target_seconds, old.due_at AS old_due_at, old.state AS old_state,
    new.policy AS new_policy, new.target_seconds AS new_target_seconds, new.due_at AS new_due_at, new.state AS new_state
FROM ({old}) AS old
FULL OUTER JOIN ({new}) AS new USING (ticket_id, clock, episode, instance)
LEFT JOIN
(
    SELECT ticket_id, any(created_at) AS created_at, any(channel) AS channel
    FROM (SELECT ticket_id, created_at, channel FROM {database}.tickets FINAL
          UNION ALL SELECT ticket_id, created_at, channel FROM tickets FINAL)
    GROUP BY ticket_id
) AS tickets USING (ticket_id)
"""
_DIFFERENCES = "CREATE VIEW differences AS SELECT * FROM comparison WHERE difference != ''"
_SHOWN = """
SELECT ticket_id AS ticket, clock, concat(toString(episode), '.', toString(instance)) AS nr, difference,
       old_policy, old_target_seconds AS old_target, old_due_at AS old_due, old_state,
       new_policy, new_target_seconds AS new_target, new_due_at AS new_due, new_state
FROM differences WHERE {span} ORDER BY created_at, ticket, clock, episode, instance
"""
_SUMMARY = """
SELECT if(new_policy = '', old_policy, new_policy) AS policy, clock, count() AS clocks, countIf(difference != '') AS differ,
       countIf(old_state = 'met') AS met_then, countIf(new_state = 'met') AS met_now,
       countIf(old_state = 'breached') AS breached_then, countIf(new_state = 'breached') AS breached_now,
       countIf(new_state = 'breached' AND old_state != 'breached') AS newly_breached,
       countIf(old_state = 'breached' AND new_state != 'breached') AS no_longer_breached
FROM comparison WHERE {span} GROUP BY policy, clock ORDER BY policy, clock
"""


def database_of(settings: SinkSettings, name: str) -> str:
    """Returns the database of a recomputation.

    Raises:
        ConfigurationError: the name is not 1 to 40 of `A-Z a-z 0-9 _`.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"{name!r} is no name", where="--into", fix="letters, digits and _, at most 40")
    return f"{settings.clickhouse_database}_recompute_{name}"


def begin(settings: SinkSettings, name: str, begins: str = "", ends: str = "", *, replace: bool = False) -> None:
    """Makes the database of a recomputation, with empty tables.

    Raises:
        ConfigurationError: the name is taken, a time is invalid, or ClickHouse refuses.
        Unavailable: ClickHouse does not answer.
    """
    _span(begins, ends)
    database = database_of(settings, name)
    if _exists(settings, database):
        if not replace:
            raise ConfigurationError(
                f"a run of this name is there already, in the database {database}",
                where=name,
                fix=f"--replace, or see it: python -m sinks recompute show {name}",
            )
        drop(settings, name)
    complete = False
    try:
        _make(settings, database)
        complete = True
    except ClickHouseError as error:
        raise _refused(error) from error
    finally:
        if not complete:
            drop(settings, name)


def _make(settings: SinkSettings, database: str) -> None:
    connection.create_database(_of(settings, database))
    client = connection.connect(_of(settings, database))
    try:
        migrate.migrate(client)
        migrate.replace_views(client)
        client.command(_RUN)
        live = f"`{settings.clickhouse_database}`"
        sides = {"old": _SIDE.format(database=live), "new": _SIDE.format(database=f"`{database}`")}
        client.command(_COMPARISON.format(database=live, **sides))
        client.command(_DIFFERENCES)
    finally:
        client.close()


def fill(settings: SinkSettings, name: str, pipe: BinaryIO) -> None:
    """Inserts the facts that come through the pipe; removes the database when the pipe breaks off.

    Raises:
        ConfigurationError, Unavailable: as `begin`.
    """
    database = database_of(settings, name)
    client = connection.connect(_of(settings, database))
    complete = False
    try:
        complete = _fill(client, pipe)
    except ClickHouseError as error:
        raise _refused(error) from error
    finally:
        client.close()
        if not complete:
            drop(settings, name)
    if not complete:
        raise ConfigurationError("the run broke off; its tables were removed", where=name, fix="start it again")


def show(settings: SinkSettings, name: str, begins: str = "", ends: str = "", *, limit: int = 40) -> str:
    """Returns the recomputation, the clocks that differ, and the summary as text for a terminal.

    Raises:
        ConfigurationError: there is no such recomputation, or it is not complete.
        Unavailable: ClickHouse does not answer.
    """
    database, span = database_of(settings, name), _span(begins, ends)
    if not _exists(settings, database):
        raise ConfigurationError(
            "there is no run of this name", where=name, fix="python -m stream_processors recompute --help"
        )
    client = connection.connect(_of(settings, database))
    try:
        runs = client.query("SELECT * FROM recompute_run").result_rows
        if not runs:
            raise ConfigurationError("is not complete yet", where=name, fix="wait, or start it again with --replace")
        differences = client.query(_SHOWN.format(span=span))
        summary = client.query(_SUMMARY.format(span=span))
    except ClickHouseError as error:
        raise _refused(error) from error
    finally:
        client.close()
    return "\n".join(_report(database, runs[0], differences, summary, limit))


def drop(settings: SinkSettings, name: str) -> None:
    """Removes the database of a recomputation, if it is there."""
    client = connection.connect(settings, database="default")
    try:
        client.command(f"DROP DATABASE IF EXISTS `{database_of(settings, name)}` SYNC")
    except ClickHouseError as error:
        raise _refused(error) from error
    finally:
        client.close()


def _report(database: str, run: Any, differences: Any, summary: Any, limit: int) -> list[str]:
    rules, policies, until, events, facts, refused, cut, _ = run
    lines = [
        f"{events:,} events folded with rules {rules} (policies {policies}) until {until:%Y-%m-%d %H:%M:%SZ}: "
        f"{facts:,} facts in {database}"
    ]
    if refused:
        lines.append("not folded, as dead letters were not: " + ", ".join(f"{n:,} {why}" for why, n in refused.items()))
    if cut:
        lines.append(f"the log of partitions {', '.join(map(str, cut))} does not reach back to its beginning")
    rows = differences.result_rows
    tickets = len({row[0] for row in rows})
    lines.append(f"{len(rows):,} clocks of {tickets:,} tickets differ" if rows else "no clock differs")
    if rows:
        lines.append(draw(differences.column_names, [_short(row) for row in (rows[:limit] if limit else rows)]))
        if limit and len(rows) > limit:
            lines.append(f"... and {len(rows) - limit:,} more: --limit 0, or the view {database}.differences")
    lines.append(draw(summary.column_names, summary.result_rows))
    return lines


def _short(row: Any) -> list[Any]:
    """Returns the cells, times without year and fraction."""
    return [f"{cell:%m-%d %H:%M:%S}" if isinstance(cell, datetime) else cell for cell in row]


def _fill(client: Client, pipe: BinaryIO) -> bool:
    """Inserts the facts of the pipe; returns False when it broke off."""
    known, waiting = shapes(), dict[bytes, list[bytes]]()
    while len(size := pipe.read(4)) == 4:
        length = int.from_bytes(size, "big")
        if length == 0:
            for header in tuple(waiting):
                _insert(client, waiting, header)
            _conclude(client, json.loads(pipe.read()))
            return True
        value = pipe.read(length)
        header = value[:HEADER_BYTES]
        if header not in known:
            continue  # a fact that has no table
        block = waiting.setdefault(header, [])
        block.append(value)
        if len(block) >= _BLOCK_RECORDS:
            _insert(client, waiting, header)
    return False


def _insert(client: Client, waiting: dict[bytes, list[bytes]], header: bytes) -> None:
    if values := waiting.pop(header, None):
        shape = shapes()[header]
        client.raw_insert(shape.table.name, shape.columns, shape.file(values), settings=SETTINGS, fmt="Avro")


def _conclude(client: Client, summary: dict[str, Any]) -> None:
    columns = ("rules", "policies", "until", "events", "facts", "refused", "cut")
    row = [summary[name] for name in columns]
    row[2] = datetime.fromtimestamp(summary["until"] / 1e6).astimezone()
    client.insert("recompute_run", [row], column_names=columns)


def _span(begins: str, ends: str) -> str:
    """Returns a condition on when tickets were created."""
    conditions = []
    for option, text, sign in (("--from", begins, ">="), ("--to", ends, "<")):
        if not text:
            continue
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise ConfigurationError(f"{text!r} is no time", where=option, fix="write 2027-01-01T00:00Z") from None
        if moment.tzinfo is None:
            raise ConfigurationError(f"{text!r} names no time zone", where=option, fix=f"write {text}Z for UTC")
        conditions.append(f"created_at {sign} fromUnixTimestamp64Micro({round(moment.timestamp() * 1_000_000)}, 'UTC')")
    return " AND ".join(conditions) or "1"


def _of(settings: SinkSettings, database: str) -> SinkSettings:
    return settings.model_copy(update={"clickhouse_database": database})


def _exists(settings: SinkSettings, database: str) -> bool:
    client = connection.connect(settings, database="default")
    try:
        found = client.query(
            "SELECT count() FROM system.databases WHERE name = {name:String}", parameters={"name": database}
        )
        return int(found.result_rows[0][0]) > 0
    except ClickHouseError as error:
        raise _refused(error) from error
    finally:
        client.close()


def _refused(error: Exception) -> Exception:
    if kind_of(error) is Kind.RETRY:
        return Unavailable(f"ClickHouse does not answer: {server_message(error)}")
    return ConfigurationError(f"ClickHouse refuses: {server_message(error)}")
