"""Runs SQL on chdb, the ClickHouse engine as a library, with limits for a laptop.

Each request gets its own engine connection (about a millisecond). Requests therefore run side by side, and no setting
outlives its request.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.local.engine_errors import BAD_ARGUMENTS, UNKNOWN_SETTING, EngineError
from deploy.local.sql_limits import require_settings_here, require_sql_here
from deploy.local.sql_statements import Insert, parse_insert, require_one_statement

__all__ = ["MB", "Answer", "Engine", "Request"]

MB = 1024 * 1024
#: Limits in bytes for the whole engine, one query, one result. The engine itself maps about 300 MB before the first query.
MAX_SERVER_MEMORY, MAX_QUERY_MEMORY, MAX_RESULT_BYTES = 600 * MB, 300 * MB, 100 * MB
MAX_QUERY_SECONDS = 60

#: Options of the engine: small caches for little data, and two threads for a laptop.
ENGINE_OPTIONS = {
    "max_server_memory_usage": MAX_SERVER_MEMORY,
    "mark_cache_size": 32 * MB,
    "index_mark_cache_size": 8 * MB,
    "primary_index_cache_size": 32 * MB,
    "compiled_expression_cache_size": 8 * MB,
    "query_cache.max_size_in_bytes": 8 * MB,
    "max_memory_usage": MAX_QUERY_MEMORY,
    "max_execution_time": MAX_QUERY_SECONDS,
    "max_result_bytes": MAX_RESULT_BYTES,
    "max_threads": 2,
    "max_insert_threads": 1,
}

#: The rights of everybody who sends SQL: tables of this engine, and no source elsewhere (`SOURCES` is not granted).
GRANTS = (
    "SHOW, SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE FUNCTION, CREATE TEMPORARY TABLE, "
    "DROP, UNDROP TABLE, TRUNCATE, OPTIMIZE, CHECK, KILL QUERY, SYSTEM ON *.*",
    "TABLE ENGINE ON *",
)
_USERS = """<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users><default>
<password/><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
<grants>{grants}</grants></default></users></clickhouse>
"""

_TRAILING_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*(?:SETTINGS\b[^;]*)?;?\s*$", re.IGNORECASE)

#: Tables with damaged parts that have blocks in no readable part. Readable parts never overlap.
_MISSING_PARTS = """
SELECT name, count() FROM (
    SELECT
        any(concat(bad.database, '.', bad.table)) AS name,
        any(bad.max_block_number - bad.min_block_number) + 1 AS blocks,
        sum(if(good.name = '', 0, greatest(0, 1 + least(good.max_block_number, bad.max_block_number)
            - greatest(good.min_block_number, bad.min_block_number)))) AS there
    FROM system.detached_parts AS bad
    LEFT JOIN (SELECT * FROM system.parts WHERE active) AS good
        ON good.database = bad.database AND good.table = bad.table AND good.partition_id = bad.partition_id
    WHERE startsWith(bad.reason, 'broken')
    GROUP BY bad.database, bad.table, bad.name
)
WHERE coalesce(there < blocks, true)
GROUP BY name ORDER BY name LIMIT 3
"""


@dataclass(frozen=True, slots=True)
class Request:
    """One statement with its user's rights, database, format, settings and parameters."""

    sql: bytes
    readonly: int = 0
    database: str = ""
    format: str = "TabSeparated"
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a statement: its bytes, their format, and ClickHouse's summary."""

    body: bytes
    format: str
    summary: Mapping[str, str]


class Engine:
    """Holds one chdb engine on one directory. `execute` may be called from many threads at once."""

    def __init__(self, data: str, memory: int = 0) -> None:
        """Opens the engine; `memory` is in bytes, for the engine and for one query, 0 for the defaults."""
        import chdb

        self._settings = tempfile.TemporaryDirectory(prefix="deskstream-clickhouse-")
        options = (
            {"config-file": _write_rights(Path(self._settings.name))}
            | ENGINE_OPTIONS
            | ({"max_server_memory_usage": memory, "max_memory_usage": memory} if memory else {})
        )
        self._connect = chdb.connect
        self._target = data + "?" + "&".join(f"{name}={value}" for name, value in options.items())
        self._root = self._open()  # the engine stays up while one connection is open
        self._keep_tables_only(Path(data))
        self.version = self._root.query("SELECT version()", "TabSeparated").bytes().decode().strip()
        self.timezone = self._root.query("SELECT timezone()", "TabSeparated").bytes().decode().strip()

    def execute(self, request: Request) -> Answer:
        """Runs one statement.

        Raises:
            EngineError: the engine refuses it, with ClickHouse's code.
        """
        connection = self._open()
        try:
            insert = parse_insert(request.sql)
            require_sql_here(insert.statement.encode() if insert else request.sql)
            require_settings_here(request.settings)
            self._prepare(connection, request)
            if insert:
                return self._insert(connection, insert, memoryview(request.sql)[insert.data_at :])
            return self._query(connection, request)
        except EngineError:
            raise
        except Exception as error:  # chdb raises RuntimeError and its own ChdbError, both with the engine's text
            raise EngineError(str(error)) from error
        finally:
            connection.close()

    def damage(self) -> str:
        """Returns the damaged parts whose rows are missing, in one line; '' when there are none.

        ClickHouse starts without damaged parts, so their rows would be missing silently. A merge that a full disk cut off
        loses nothing: the parts that were to be merged are still there.
        """
        found = self._root.query(_MISSING_PARTS, "TabSeparated")
        tables = [line.split("\t") for line in (found.bytes() or b"").decode().splitlines()]
        return ", ".join(f"{count} damaged part(s) of {table}" for table, count in tables)

    def close(self) -> None:
        """Closes the engine."""
        self._root.close()
        self._settings.cleanup()

    def _keep_tables_only(self, data: Path) -> None:
        """Replaces the database `default`, in which every file of the machine is a table, by one of tables."""
        self._root.query("DETACH DATABASE default")
        tables, declared = data / "metadata" / "default", data / "metadata" / "default.sql"
        if declared.exists() and any(tables.glob("*.sql")):
            self._root.query("ATTACH DATABASE default")
        else:
            for left in (tables, declared):  # chdb does not attach a database without tables again
                if declared.exists() and (left.is_symlink() or left.is_file()):
                    left.unlink()
            self._root.query("CREATE DATABASE default ENGINE = Atomic")

    def _open(self) -> Any:
        return self._connect(self._target)

    def _prepare(self, connection: Any, request: Request) -> None:
        if request.settings:
            pairs = ", ".join(f"{_identifier(name)} = {_literal(value)}" for name, value in request.settings.items())
            connection.query(f"SET {pairs}")
        if request.database:
            connection.query(f"USE {_quoted(request.database)}")
        if request.readonly:
            connection.query(f"SET readonly = {request.readonly}")

    def _insert(self, connection: Any, insert: Insert, data: memoryview) -> Answer:
        """Inserts from a file: chdb's `send_insert` answers success even when the table refuses the rows."""
        with tempfile.NamedTemporaryFile(prefix="deskstream-insert-") as file:
            file.write(data)
            file.flush()
            result = connection.query(f"{insert.statement} FROM INFILE {_literal(file.name)} FORMAT {insert.format}")
        return Answer(b"", "", _summary(written_rows=result.rows_written(), written_bytes=result.bytes_written()))

    def _query(self, connection: Any, request: Request) -> Answer:
        require_one_statement(request.sql)
        try:
            sql = request.sql.decode()
        except UnicodeDecodeError as error:
            raise EngineError(f"the statement is not UTF-8: {error}", BAD_ARGUMENTS) from error
        explicit = _TRAILING_FORMAT.search(sql)
        name = explicit[1] if explicit else request.format
        result = connection.query(sql, name, params=dict(request.parameters))
        body = result.bytes() or b""
        return Answer(
            body,
            name,
            _summary(
                read_rows=result.storage_rows_read(),
                read_bytes=result.storage_bytes_read(),
                written_rows=result.rows_written(),
                written_bytes=result.bytes_written(),
                result_rows=result.rows_read(),
                result_bytes=len(body),
            ),
        )


def _write_rights(folder: Path) -> str:
    """Writes the configuration by which the engine's user has these rights and no others; returns its path."""
    users, config = folder / "users.xml", folder / "config.xml"
    users.write_text(_USERS.format(grants="".join(f"<query>GRANT {each}</query>" for each in GRANTS)))
    config.write_text(
        f"<clickhouse><users_config>{users}</users_config><logger><level>none</level></logger></clickhouse>"
    )
    return str(config)


def _summary(**counts: int) -> dict[str, str]:
    return {name: str(count or 0) for name, count in counts.items()}


def _identifier(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][\w.]*", name):
        raise EngineError(f"Unknown setting {name!r}", UNKNOWN_SETTING)
    return name


def _literal(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
