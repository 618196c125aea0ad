"""Asks the embedded ClickHouse by its client, and by plain HTTP as an attacker does."""

from __future__ import annotations

import urllib.error
import urllib.request

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from deploy.local.clickhouse import ClickHouseServer

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


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
