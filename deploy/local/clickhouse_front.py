"""The ClickHouse HTTP interface in front of one chdb engine: `python -m deploy.local.clickhouse_front --data DIR --port N`.

chdb is the ClickHouse engine as a library, so the SQL, the formats, the error codes and the tables are ClickHouse's
own; this module only translates HTTP, as clickhouse-connect speaks it. Each request gets an engine connection of its
own (about a millisecond), so that requests run side by side and no setting outlives its request.

- Users: `default` may write, `analyst` only reads (`readonly = 2`). Neither has a password: it listens on loopback.
- Inserts are handed to the engine as they arrived, in any input format.
- Sessions are not kept: a temporary table or a `SET` lasts for one request. External data is refused.
- Results are not streamed: one above `MAX_RESULT_BYTES` is refused with the engine's own error.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import binascii
import json
import os
import re
import signal
import socket
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

MB = 1024 * 1024
#: The whole engine, one query, one result. The engine itself maps about 300 MB before the first query.
MAX_SERVER_MEMORY, MAX_QUERY_MEMORY, MAX_RESULT_BYTES = 600 * MB, 300 * MB, 100 * MB
MAX_BODY_BYTES = 256 * MB
MAX_QUERY_SECONDS = 60
WORKERS = 8

#: Options of the engine. The caches are small because the data is, and two threads are enough for a laptop.
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

#: user -> the engine's `readonly` setting: 0 everything, 2 reads and settings.
USERS = {"default": 0, "analyst": 2}

#: Parameters of the HTTP interface that are no settings of the engine.
TRANSPORT = frozenset({
    "query", "database", "default_format", "user", "password", "role", "quota_key", "readonly", "query_id", "log_comment",
    "session_id", "session_timeout", "session_check", "compress", "decompress", "enable_http_compression", "buffer_size",
    "wait_end_of_query", "client_protocol_version", "send_progress_in_http_headers",
    "http_headers_progress_interval_ms", "cancel_http_readonly_queries_on_client_close",
})  # fmt: skip

BAD_ARGUMENTS, SYNTAX_ERROR, CANNOT_DECOMPRESS, UNKNOWN_EXCEPTION = 36, 62, 271, 1001
NOT_IMPLEMENTED, ACCESS_DENIED, AUTHENTICATION_FAILED = 48, 497, 516
#: ClickHouse error code -> HTTP status where it is not 500, as the ClickHouse server answers.
STATUS = {
    AUTHENTICATION_FAILED: 403,
    164: 403,  # READONLY
    ACCESS_DENIED: 403,
    BAD_ARGUMENTS: 400,
    CANNOT_DECOMPRESS: 400,
    6: 400,  # CANNOT_PARSE_TEXT
    26: 400,  # CANNOT_PARSE_QUOTED_STRING
    27: 400,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
    38: 400,  # CANNOT_PARSE_DATE
    41: 400,  # CANNOT_PARSE_DATETIME
    SYNTAX_ERROR: 400,
    53: 400,  # TYPE_MISMATCH
    60: 404,  # UNKNOWN_TABLE
    81: 404,  # UNKNOWN_DATABASE
    47: 404,  # UNKNOWN_IDENTIFIER
    46: 404,  # UNKNOWN_FUNCTION
    115: 404,  # UNKNOWN_SETTING
    73: 404,  # UNKNOWN_FORMAT
    159: 408,  # TIMEOUT_EXCEEDED
    NOT_IMPLEMENTED: 501,
}

_CODE = re.compile(r"\bCode: (\d+)\b")
_TRAILING_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*(?:SETTINGS\b[^;]*)?;?\s*$", re.IGNORECASE)
_INSERT = re.compile(rb"(?:\s|--[^\n]*\n|/\*.*?\*/)*INSERT\s+INTO\b", re.IGNORECASE | re.DOTALL)
_TOKEN = re.compile(
    rb"--[^\n]*\n|/\*.*?\*/|'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\"|\w+|[()]|[^\w()'`\"]", re.DOTALL
)
_NAME = re.compile(rb"\s*(\w+)[ \t]*(?:\r?\n)?")


#: Tables with damaged parts of whose blocks not all are in parts that can be read. Those never overlap each other.
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


class EngineError(Exception):
    """An error with ClickHouse's code, as the HTTP interface reports it."""

    def __init__(self, text: str, code: int | None = None) -> None:
        if code is None:
            found = _CODE.search(text)
            code = int(found[1]) if found else UNKNOWN_EXCEPTION
        self.code = code
        known = text.find("Code: ")
        super().__init__(text[known:] if known >= 0 else f"Code: {code}. DB::Exception: {text}")


@dataclass(frozen=True, slots=True)
class Insert:
    """`INSERT INTO table (columns) FORMAT name` with its data after it: `statement` goes without the FORMAT clause."""

    statement: str
    format: str
    data_at: int


def parse_insert(sql: bytes) -> Insert | None:
    """The insert whose data follows inline, or None for every other statement (INSERT SELECT and VALUES included)."""
    start = _INSERT.match(sql)
    if not start:
        return None
    depth = 0
    for token in _TOKEN.finditer(sql, start.end()):
        word = token[0]
        if word == b"(":
            depth += 1
        elif word == b")":
            depth -= 1
        elif depth == 0 and word.isalpha():
            keyword = word.upper()
            if keyword in (b"SELECT", b"VALUES", b"WITH", b"FROM", b"WATCH"):
                return None
            if keyword == b"FORMAT" and (name := _NAME.match(sql, token.end())):
                return Insert(sql[: token.start()].decode(), name[1].decode(), name.end())
    return None


def require_one_statement(sql: bytes) -> None:
    """ClickHouse's HTTP interface takes one statement; chdb would run several, and a migration would pass here alone.

    Raises:
        EngineError: there is none, or a second one follows.
    """
    if not sql.strip():
        raise EngineError(
            "Syntax error: failed at position 1 (end of query): Empty query. (SYNTAX_ERROR)", SYNTAX_ERROR
        )
    if b";" not in sql.rstrip(b"; \t\r\n"):
        return
    ended = False
    for token in _TOKEN.finditer(sql):
        word = token[0]
        if word == b";":
            ended = True
        elif ended and not word.isspace() and not word.startswith((b"--", b"/*")):
            raise EngineError("Syntax error: Multi-statements are not allowed. (SYNTAX_ERROR)", SYNTAX_ERROR)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as the engine needs it."""

    sql: bytes
    readonly: int = 0
    database: str = ""
    format: str = "TabSeparated"
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    body: bytes
    format: str
    summary: Mapping[str, str]


class Engine:
    """One chdb engine on one directory. `execute` may be called from any thread, side by side."""

    def __init__(self, data: str, memory: int = 0) -> None:
        """`memory`: bytes for the whole engine and for one query, if not the usual ones."""
        import chdb

        options = ENGINE_OPTIONS | ({"max_server_memory_usage": memory, "max_memory_usage": memory} if memory else {})
        self._connect = chdb.connect
        self._target = data + "?" + "&".join(f"{name}={value}" for name, value in options.items())
        self._root = self._open()  # as long as one connection is open the engine stays up
        self.version = self._root.query("SELECT version()", "TabSeparated").bytes().decode().strip()
        self.timezone = self._root.query("SELECT timezone()", "TabSeparated").bytes().decode().strip()

    def execute(self, request: Request) -> Answer:
        """Run one statement.

        Raises:
            EngineError: whatever the engine has against it, with ClickHouse's code.
        """
        connection = self._open()
        try:
            self._prepare(connection, request)
            if insert := parse_insert(request.sql):
                return self._insert(connection, insert, memoryview(request.sql)[insert.data_at :])
            return self._query(connection, request)
        except EngineError:
            raise
        except Exception as error:  # chdb raises RuntimeError and its own ChdbError, both with the engine's text
            raise EngineError(str(error)) from error
        finally:
            connection.close()

    def damage(self) -> str:
        """What the engine has set aside because it could not read it, in one line; empty when all is well.

        ClickHouse goes on without such parts. Their rows would be missing without a word, so we do not. The result of a
        merge that a full disk cut off misses nothing: what was to be merged is still there.
        """
        found = self._root.query(_MISSING_PARTS, "TabSeparated")
        tables = [line.split("\t") for line in (found.bytes() or b"").decode().splitlines()]
        return ", ".join(f"{count} damaged part(s) of {table}" for table, count in tables)

    def close(self) -> None:
        self._root.close()

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
        """Over a file, not over chdb's `send_insert`: that one answers success when the table refuses the rows."""
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


def _summary(**counts: int) -> dict[str, str]:
    return {name: str(count or 0) for name, count in counts.items()}


def _identifier(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][\w.]*", name):
        raise EngineError(f"Unknown setting {name!r}", 115)
    return name


def _literal(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def decompress(body: bytes, encoding: str) -> bytes:
    """Undo a `Content-Encoding`. clickhouse-connect sends one frame per block, so all the frames are read, not the first.

    Raises:
        EngineError: an encoding that is not known, or a body that is not of that encoding or ends too early.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in _DECOMPRESSORS:
        raise EngineError(f"Content-Encoding {encoding} is not supported", NOT_IMPLEMENTED)
    try:
        return b"".join(_frames(body, _DECOMPRESSORS[encoding]))
    except EngineError:
        raise
    except Exception as error:  # each codec has exceptions of its own
        raise EngineError(f"cannot decompress the body as {encoding}: {error}", CANNOT_DECOMPRESS) from error


def _frames(body: bytes, decompressor: Callable[[], Any]) -> Iterator[bytes]:
    """The content of every frame in turn, fed in slices so that a frame's end is not paid for with a copy of the rest."""
    at, size, current = 0, 0, decompressor()
    while at < len(body):
        piece = memoryview(body)[at : at + MB]
        content = current.decompress(piece)
        at += len(piece)
        size += len(content)
        if size > MAX_BODY_BYTES:
            raise EngineError(f"the body is larger than {MAX_BODY_BYTES} bytes", BAD_ARGUMENTS)
        yield content
        if current.eof:
            at -= len(current.unused_data or b"")
            current = decompressor() if at < len(body) else current
    if not current.eof:
        raise EngineError("the compressed body ends inside a frame", CANNOT_DECOMPRESS)


def _lz4() -> Any:
    import lz4.frame  # type: ignore[import-untyped]

    return lz4.frame.LZ4FrameDecompressor()


def _zstd() -> Any:
    from backports import zstd

    return zstd.ZstdDecompressor()


_DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(31),
    "x-gzip": lambda: zlib.decompressobj(31),
    "deflate": zlib.decompressobj,
    "lz4": _lz4,
    "zstd": _zstd,
}


def _user(request: web.Request) -> str:
    """The user's name from the Basic credentials, the X-ClickHouse headers or the URL; the password is not looked at."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials, validate=True).decode().partition(":")[0] or "default"
        except (binascii.Error, UnicodeDecodeError) as error:
            raise EngineError("Invalid HTTP authentication", AUTHENTICATION_FAILED) from error
    return request.headers.get("X-ClickHouse-User") or request.query.get("user") or "default"


def _refuse_browsers(request: web.Request) -> None:
    """A page in the user's browser could post to loopback, and there is no password; browsers then send an Origin."""
    if "Origin" in request.headers:
        raise EngineError("requests from a browser are refused", ACCESS_DENIED)


class Front:
    """The HTTP handlers. The event loop only moves bytes; everything else happens on the worker threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="query")

    def application(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_get("/ping", self.ping)
        app.router.add_get("/replicas_status", self.ping)
        app.router.add_route("*", "/", self.query)
        return app

    async def ping(self, _: web.Request) -> web.Response:
        return web.Response(text="Ok.\n")

    async def query(self, request: web.Request) -> web.Response:
        try:
            _refuse_browsers(request)
            readonly = self._readonly(request)
            parameters, body = await self._read(request)
            loop = asyncio.get_running_loop()
            encoding = request.headers.get("Content-Encoding", "")
            answer = await loop.run_in_executor(self._workers, self._run, parameters, body, encoding, readonly)
        except EngineError as error:
            return self._refuse(error)
        except web.HTTPRequestEntityTooLarge:
            return self._refuse(EngineError(f"the body is larger than {MAX_BODY_BYTES} bytes", BAD_ARGUMENTS))
        headers = {
            "X-ClickHouse-Server-Display-Name": "deskstream",
            "X-ClickHouse-Query-Id": request.query.get("query_id", ""),
            "X-ClickHouse-Timezone": self._engine.timezone,
            "X-ClickHouse-Summary": json.dumps(answer.summary),
        }
        if answer.format:
            headers["X-ClickHouse-Format"] = answer.format
        return web.Response(body=answer.body, headers=headers)

    def _readonly(self, request: web.Request) -> int:
        user = _user(request)
        if user not in USERS:
            raise EngineError(
                f"{user}: Authentication failed: password is incorrect, or there is no user with such name."
                " (AUTHENTICATION_FAILED)",
                AUTHENTICATION_FAILED,
            )
        if USERS[user] == 0 and request.method == "GET":
            return 2  # as in ClickHouse: GET must not change anything
        wanted = request.query.get("readonly", "")
        return max(USERS[user], int(wanted) if wanted in ("1", "2") else 0)

    async def _read(self, request: web.Request) -> tuple[dict[str, str], bytes]:
        parameters = dict(request.query)
        if not request.content_type.startswith("multipart/"):
            return parameters, await request.read()
        for name, value in (await request.post()).items():
            if not isinstance(value, str):
                raise EngineError("external data is not supported here", NOT_IMPLEMENTED)
            parameters[name] = value
        return parameters, b""

    def _run(self, parameters: dict[str, str], body: bytes, encoding: str, readonly: int) -> Answer:
        if parameters.get("decompress") == "1":
            raise EngineError("decompress=1 is not supported here; use Content-Encoding", NOT_IMPLEMENTED)
        body = decompress(body, encoding)
        query = parameters.get("query", "").encode()
        return self._engine.execute(
            Request(
                sql=query + b"\n" + body if query and body else query or body,
                readonly=readonly,
                database=parameters.get("database", ""),
                format=parameters.get("default_format", "TabSeparated"),
                settings={k: v for k, v in parameters.items() if k not in TRANSPORT and not k.startswith("param_")},
                parameters={k.removeprefix("param_"): v for k, v in parameters.items() if k.startswith("param_")},
            )
        )

    def _refuse(self, error: EngineError) -> web.Response:
        return web.Response(
            status=STATUS.get(error.code, 500),
            text=f"{error} (version {self._engine.version} (chdb))\n",
            headers={"X-ClickHouse-Exception-Code": str(error.code)},
        )


async def serve(engine: Engine, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; requests that have begun are finished."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(Front(engine).application(), auto_decompress=False, access_log=None, shutdown_timeout=5)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    await stop.wait()
    await runner.cleanup()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="directory of the tables; made if it is not there")
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; there are no passwords")
    parser.add_argument(
        "--memory", type=int, default=0, help="MB for the engine, one query included; default: 600, 300"
    )
    options = parser.parse_args(argv)
    os.nice(10)  # beside a pipeline on a few cores: a merge can wait, a customer's acknowledgement cannot
    try:
        listener = socket.create_server((options.host, options.port), backlog=128)
        options.data.mkdir(parents=True, exist_ok=True)
        engine = Engine(str(options.data), options.memory * MB)
    except Exception as error:  # chdb raises RuntimeError for whatever it finds in the directory
        return _give_up(" ".join(str(error).split()))
    if damage := engine.damage():
        engine.close()
        return _give_up(
            f"{damage}; they are in its folder `detached`: delete that to go on without their rows, "
            "which `python -m sinks rewind` fetches from Kafka again"
        )
    try:
        asyncio.run(serve(engine, listener))
    finally:
        engine.close()
    return 0


def _give_up(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
