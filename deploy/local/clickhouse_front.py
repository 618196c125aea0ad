"""Serves ClickHouse's HTTP interface from one chdb engine: `python -m deploy.local.clickhouse_front --data DIR --port N`.

SQL, formats, error codes and tables are ClickHouse's own. This module translates HTTP, as clickhouse-connect speaks it.

- Users: `default` may write, `analyst` only reads (`readonly = 2`). Both have the password in the file of `--password-file`.
- A web page in the user's browser gets nothing: requests with an Origin, of another site, or to another name than this
  machine's (DNS rebinding) are refused before anything else.
- Nobody reads files, asks other servers or runs programs (`sql_limits.py`, and the grants in `clickhouse_engine.py`).
- Inserts are passed to the engine as they arrived, in any input format.
- There are no sessions: a temporary table or a `SET` lasts for one request. External data is refused.
- Results are not streamed: one above `MAX_RESULT_BYTES` is refused with the engine's error.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import binascii
import hmac
import json
import os
import re
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Middleware

from deploy.local.clickhouse_engine import MB, Answer, Engine, Request
from deploy.local.content_encoding import MAX_BODY_BYTES, decompress
from deploy.local.engine_errors import (
    ACCESS_DENIED,
    AUTHENTICATION_FAILED,
    BAD_ARGUMENTS,
    CANNOT_DECOMPRESS,
    NOT_IMPLEMENTED,
    SYNTAX_ERROR,
    UNKNOWN_SETTING,
    EngineError,
)

WORKERS = 8
OWN_NAMES = ("127.0.0.1", "localhost", "[::1]")
_HOST = re.compile(r"([^:\[\]]+|\[[0-9a-fA-F:]+\])(?::\d+)?")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: user -> the engine's `readonly` setting: 0 everything, 2 reads and settings.
USERS = {"default": 0, "analyst": 2}

#: Parameters of the HTTP interface that are no settings of the engine.
TRANSPORT = frozenset({
    "query", "database", "default_format", "user", "password", "role", "quota_key", "readonly", "query_id", "log_comment",
    "session_id", "session_timeout", "session_check", "compress", "decompress", "enable_http_compression", "buffer_size",
    "wait_end_of_query", "client_protocol_version", "send_progress_in_http_headers",
    "http_headers_progress_interval_ms", "cancel_http_readonly_queries_on_client_close",
})  # fmt: skip

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
    UNKNOWN_SETTING: 404,
    73: 404,  # UNKNOWN_FORMAT
    159: 408,  # TIMEOUT_EXCEEDED
    NOT_IMPLEMENTED: 501,
}


def _credentials(request: web.Request) -> tuple[str, str]:
    """Returns user and password from the Basic credentials, the X-ClickHouse headers or the URL."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise EngineError("Invalid HTTP authentication", AUTHENTICATION_FAILED) from error
        return user or "default", password
    user = request.headers.get("X-ClickHouse-User") or request.query.get("user") or "default"
    return user, request.headers.get("X-ClickHouse-Key") or request.query.get("password") or ""


def _refuse_browsers(request: web.Request) -> None:
    """Refuses what a page of another site can make a browser send to this machine."""
    if "Origin" in request.headers or request.headers.get("Sec-Fetch-Site", "none") != "none":
        raise EngineError("requests from a browser are refused", ACCESS_DENIED)


def _only_as(names: Iterable[str]) -> Middleware:
    """Refuses every other Host: a page whose name was pointed to loopback would be of the same origin."""
    own = frozenset(name.lower() for name in names)

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        name = _HOST.fullmatch(request.headers.get("Host", ""))
        if name is None or name[1].lower() not in own:
            return web.Response(status=403, text="this server has another name\n")
        return await handler(request)

    return check


class Front:
    """Holds the HTTP handlers. The event loop only moves bytes; decompression and queries run on worker threads."""

    def __init__(self, engine: Engine, password: str) -> None:
        self._engine, self._password = engine, password.encode()
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="query")

    def application(self, names: Iterable[str] = OWN_NAMES) -> web.Application:
        """Returns the application with its routes; it answers to these names."""
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_only_as(names)])
        app.router.add_get("/ping", self.ping)
        app.router.add_get("/replicas_status", self.ping)
        app.router.add_route("*", "/", self.query)
        return app

    async def ping(self, _: web.Request) -> web.Response:
        """Answers that the server is up."""
        return web.Response(text="Ok.\n")

    async def query(self, request: web.Request) -> web.Response:
        """Runs one statement; answers errors with ClickHouse's code and status."""
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
        user, password = _credentials(request)
        if not hmac.compare_digest(password.encode(), self._password) or user not in USERS:
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


async def serve(engine: Engine, listener: socket.socket, password: str, names: Iterable[str]) -> None:
    """Serves until SIGTERM or SIGINT; finishes the requests that have begun."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(
        Front(engine, password).application(names), auto_decompress=False, access_log=None, shutdown_timeout=5
    )
    await runner.setup()
    await web.SockSite(runner, listener).start()
    await stop.wait()
    await runner.cleanup()


def main(argv: list[str] | None = None) -> int:
    """Runs the server; returns 2 when the directory or the port cannot be used."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="directory of the tables; created if it is missing")
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    parser.add_argument("--host", default="127.0.0.1", help="address of this machine to listen on")
    parser.add_argument("--name", action="append", default=[], help="a further name that clients may ask it by")
    access = parser.add_mutually_exclusive_group(required=True)
    access.add_argument("--password-file", type=Path, help="file that holds the password of both users")
    access.add_argument("--without-password", action="store_true", help="for a container that only tests reach")
    parser.add_argument(
        "--memory", type=int, default=0, help="MB for the engine, one query included; default: 600, 300"
    )
    options = parser.parse_args(argv)
    os.nice(10)  # on few cores the pipeline comes before merges
    try:
        password = "" if options.without_password else options.password_file.read_text("utf-8").strip()
        if not password and not options.without_password:
            return _give_up(f"{options.password_file} is empty: delete it")
        listener = socket.create_server((options.host, options.port), backlog=128)
        options.data.mkdir(parents=True, exist_ok=True)
        engine = Engine(str(options.data), options.memory * MB)
    except Exception as error:  # chdb raises RuntimeError for whatever is wrong in the directory
        return _give_up(" ".join(str(error).split()))
    if damage := engine.damage():
        engine.close()
        return _give_up(
            f"{damage}; they are in its folder `detached`: delete that to go on without their rows, "
            "which `python -m sinks rewind` fetches from Kafka again"
        )
    try:
        asyncio.run(serve(engine, listener, password, (*OWN_NAMES, *options.name)))
    finally:
        engine.close()
    return 0


def _give_up(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
