"""Asks the embedded ClickHouse by its client, and by plain HTTP as an attacker does."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from deploy.local.clickhouse import ClickHouseServer

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def running(data_dir: Path) -> Iterator[ClickHouseServer]:
    server = ClickHouseServer(data_dir)
    try:
        server.launch()
        server.wait()
        yield server
    finally:
        server.stop()


@contextmanager
def with_table(server: ClickHouseServer) -> Iterator[Client]:
    """A client, and an empty table `t`."""
    client = connect(server)
    client.command("DROP TABLE IF EXISTS t")
    client.command("CREATE TABLE t (n Int64, s String, c LowCardinality(String)) ENGINE = MergeTree ORDER BY n")
    yield client
    client.close()


def connect(server: ClickHouseServer, **options: object) -> Client:
    options = {"password": server.password, **options}
    return clickhouse_connect.get_client(host="127.0.0.1", port=server.port, **options)


def http(server: ClickHouseServer, body: bytes | None = None, path: str = "/", **headers: str) -> tuple[int, str, str]:
    """`(status, body, exception code)`; without a body it is a GET."""
    try:
        headers = {"X-ClickHouse-Key": server.password, **headers}
        address = f"http://127.0.0.1:{server.port}{path}"
        with OPENER.open(urllib.request.Request(address, data=body, headers=headers)) as answer:
            return answer.status, answer.read().decode(), ""
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers.get("X-ClickHouse-Exception-Code", "")
