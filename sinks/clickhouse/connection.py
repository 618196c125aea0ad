"""Connects to ClickHouse, and tells its errors apart.

An error is one of three kinds: *retry* (the server does not work now), *setup* (no record is the cause: a missing table,
a missing right, a wrong password), or *data* (this block cannot be inserted). Only *data* may lead to dead letters.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from urllib.parse import SplitResult, unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError

from schemas.errors import ConfigurationError, Unavailable
from schemas.settings import SinkSettings
from schemas.text import one_line

#: Error codes after which the same insert may succeed later, by ClickHouse's own names (system.errors).
RETRY = {
    74: "CANNOT_READ_FROM_FILE_DESCRIPTOR",
    75: "CANNOT_WRITE_TO_FILE_DESCRIPTOR",
    159: "TIMEOUT_EXCEEDED",
    173: "CANNOT_ALLOCATE_MEMORY",
    198: "DNS_ERROR",
    201: "QUOTA_EXCEEDED",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    203: "NO_FREE_CONNECTION",
    204: "CANNOT_FSYNC",
    209: "SOCKET_TIMEOUT",
    210: "NETWORK_ERROR",
    225: "NO_ZOOKEEPER",
    236: "ABORTED",
    241: "MEMORY_LIMIT_EXCEEDED",
    242: "TABLE_IS_READ_ONLY",
    243: "NOT_ENOUGH_SPACE",
    244: "UNEXPECTED_ZOOKEEPER_ERROR",
    252: "TOO_MANY_PARTS",
    279: "ALL_CONNECTION_TRIES_FAILED",
    285: "TOO_FEW_LIVE_REPLICAS",
    286: "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE",
    290: "LIMIT_EXCEEDED",
    319: "UNKNOWN_STATUS_OF_INSERT",
    394: "QUERY_WAS_CANCELLED",
    425: "SYSTEM_ERROR",
    439: "CANNOT_SCHEDULE_TASK",
    519: "NO_REMOTE_SHARD_AVAILABLE",
    574: "DISTRIBUTED_TOO_MANY_PENDING_BYTES",
    745: "SERVER_OVERLOADED",
    999: "KEEPER_EXCEPTION",
    1000: "POCO_EXCEPTION",
}

#: Error codes that no record can cause: the server or our settings have to be changed.
SETUP = {
    1: "UNSUPPORTED_METHOD",
    16: "NO_SUCH_COLUMN_IN_TABLE",
    60: "UNKNOWN_TABLE",
    81: "UNKNOWN_DATABASE",
    115: "UNKNOWN_SETTING",
    164: "READONLY",
    192: "UNKNOWN_USER",
    193: "WRONG_PASSWORD",
    194: "REQUIRED_PASSWORD",
    195: "IP_ADDRESS_NOT_ALLOWED",
    291: "DATABASE_ACCESS_DENIED",
    497: "ACCESS_DENIED",
    516: "AUTHENTICATION_FAILED",
}
STD_EXCEPTION = 1001
_CODE = re.compile(r"\bCode:\s*(\d+)")
_ERRNO = re.compile(r"\[Errno -?\d+\] ([^\"')]+)")
_NOISE = re.compile(
    r"\s*\(version (?:[^()]|\([^()]*\))*\)|\s*\(for url [^)]*\)|^Received ClickHouse exception, code: \d+, server response: "
)


class Kind(Enum):
    """The kind of a failed insert, which decides what to do about it."""

    RETRY = "retry"
    SETUP = "setup"
    DATA = "data"


def code_of(error: BaseException) -> int:
    """Returns ClickHouse's error code; 0 for an error of the connection."""
    match = _CODE.search(str(error))
    return int(match[1]) if match else (getattr(error, "code", None) or 0)


def kind_of(error: BaseException) -> Kind:
    """Returns the kind of an error."""
    code = code_of(error)
    if code in RETRY:
        return Kind.RETRY
    if code in SETUP:
        return Kind.SETUP
    if code == STD_EXCEPTION and "avro::Exception" not in str(error):
        return Kind.RETRY  # not about the block: memory, a thread, a proxy
    if code:
        return Kind.DATA
    # No code: nobody answered, or a proxy in between did; otherwise the client refused by itself, which no record causes.
    unanswered = isinstance(error, (OperationalError, OSError, Unavailable)) or type(error) is DatabaseError
    return Kind.RETRY if unanswered else Kind.SETUP


def name_of(error: BaseException) -> str:
    """Returns a short bounded word for metrics: ClickHouse's name of the error, `connection`, or `other`."""
    code = code_of(error)
    return (RETRY.get(code) or SETUP.get(code) or "other").lower() if code else "connection"


def server_message(error: BaseException) -> str:
    """Returns the server's message without the address, the version and the stack trace."""
    if not code_of(error) and (refused := _ERRNO.search(str(error))):
        return refused[1].strip()
    said = _NOISE.sub("", str(error).split("Stack trace:")[0])
    return one_line(said) or type(error).__name__


def connect(settings: SinkSettings, *, database: str | None = None) -> Client:
    """Returns a client of the deployment's ClickHouse.

    Raises:
        ConfigurationError: the address is no URL of ClickHouse, or the server refuses user or database.
        Unavailable: the server does not answer, or is not ready.
    """
    url = _split(settings.clickhouse_url)
    logging.getLogger("clickhouse_connect").setLevel(logging.ERROR)  # it warns of what it raises
    where = f"ClickHouse at {url.hostname}:{url.port or 8123}"
    try:
        return clickhouse_connect.get_client(
            host=url.hostname,
            port=url.port or (8443 if url.scheme == "https" else 8123),
            interface=url.scheme,
            username=unquote(url.username) if url.username else None,
            password=unquote(url.password or ""),
            database=settings.clickhouse_database if database is None else database,
            compress=False,
            connect_timeout=5,
            send_receive_timeout=max(1, round(settings.clickhouse_timeout_seconds)),
            autogenerate_session_id=False,
            tz_mode="aware",
        )
    except (ClickHouseError, OSError) as error:
        kind = kind_of(error)
        if kind is Kind.RETRY:
            raise Unavailable(f"{where} does not answer: {server_message(error)}") from error
        raise ConfigurationError(
            f"{where} refuses us: {server_message(error)}",
            where="DESKSTREAM_CLICKHOUSE_URL",
            fix="see user and database",
        ) from error


def _split(address: str) -> SplitResult:
    url = urlsplit(address)
    try:
        _ = url.port
    except ValueError:
        url = urlsplit("")
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ConfigurationError(
            "this is not an address of ClickHouse", where="DESKSTREAM_CLICKHOUSE_URL", fix="http://host:8123"
        )
    return url


@contextmanager
def reading_views() -> Iterator[None]:
    """Says of a failed query on our own tables and views what its reader can do.

    Raises:
        ConfigurationError: the server refuses it: most likely this build's views are not there.
        Unavailable: the server does not answer, or is not ready.
    """
    try:
        yield
    except (ClickHouseError, OSError) as error:
        if kind_of(error) is Kind.RETRY:
            raise Unavailable(f"ClickHouse does not answer: {server_message(error)}") from error
        raise ConfigurationError(server_message(error), fix="`python -m sinks migrate` makes the views") from error


def create_database(settings: SinkSettings) -> None:
    """Creates the deployment's database if it is missing.

    Raises:
        ConfigurationError: the server refuses it.
        Unavailable: the server does not answer.
    """
    client = connect(settings, database="default")
    try:
        client.command(f"CREATE DATABASE IF NOT EXISTS `{settings.clickhouse_database}`")
    except ClickHouseError as error:
        if kind_of(error) is Kind.RETRY:
            raise Unavailable(f"ClickHouse does not answer: {server_message(error)}") from error
        raise ConfigurationError(
            f"cannot create {settings.clickhouse_database}: {server_message(error)}",
            where="DESKSTREAM_CLICKHOUSE_DATABASE",
        ) from error
    finally:
        client.close()
