"""Who gets into the embedded ClickHouse, and what SQL may not do there: web pages, other users of the machine, strangers' SQL."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from clickhouse_connect.driver.client import Client

from deploy.local.clickhouse import ClickHouseServer
from tests.support.deploy.embedded_clickhouse import http, running, with_table
from tests.support.each import each


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    with running(tmp_path_factory.mktemp("front")) as server:
        yield server


@pytest.fixture
def client(server: ClickHouseServer) -> Iterator[Client]:
    with with_table(server) as client:
        yield client


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8080", "Content-Type": "text/plain"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "elsewhere.example"},
        {"Host": "127.0.0.1.nip.example:8123"},
        {"Host": "localhost.elsewhere.example"},
        {"Host": "127.0.0.1@elsewhere.example"},
    ],
    ids=str,
)
@pytest.mark.parametrize("body", [b"SELECT 1", None], ids=["POST", "GET"])
def test_a_page_in_a_browser_is_refused(server: ClickHouseServer, headers: dict[str, str], body: bytes | None) -> None:
    """Even with the password, which a browser may have kept: a simple POST, an image's GET, and DNS rebinding."""
    path = "/" if body else "/?query=SELECT%201"
    assert http(server, body, path, **headers)[0] == 403


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST:1", "[::1]:8123"])
def test_this_machine_has_several_names(server: ClickHouseServer, name: str) -> None:
    assert http(server, b"SELECT 1", Host=name)[:2] == (200, "1\n")


@pytest.mark.parametrize("user", ["default", "analyst"])
@pytest.mark.parametrize("password", ["", "default", "x" * 48])
def test_nobody_gets_in_without_the_password(server: ClickHouseServer, user: str, password: str) -> None:
    for headers, path in (
        ({"X-ClickHouse-User": user, "X-ClickHouse-Key": password}, "/"),
        ({"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}, "/"),
        ({"X-ClickHouse-Key": ""}, f"/?user={user}&password={password}"),
    ):
        assert http(server, b"SELECT 1", path, **headers)[2] == "516"


def test_the_password_is_random_and_its_owners_to_read(server: ClickHouseServer) -> None:
    file = server.data_dir.parent / "clickhouse.password"
    assert file.read_text() == server.password
    assert len(server.password) == 48
    assert file.stat().st_mode & 0o777 == 0o600
    assert server.password not in " ".join(psutil.Process(server.process.pid).cmdline())


OUTSIDE = [
    "SELECT * FROM file('/etc/hostname', 'LineAsString')",
    "SELECT file('/etc/hostname')",
    "SELECT `file`  /* ( */ ('/etc/hostname')",
    "SELECT FILE('/etc/hostname')",
    "SELECT * APPLY(file) FROM (SELECT '/etc/hostname')",
    "SELECT * APPLY file FROM (SELECT '/etc/hostname')",
    "SELECT * FROM url('http://127.0.0.1:9/', 'LineAsString')",
    "SELECT * FROM s3('http://bucket.example.com/key', 'CSV', 'n Int8')",
    "SELECT * FROM gcs('http://bucket.example.com/key', 'CSV', 'n Int8')",
    "SELECT * FROM remote('127.0.0.1:9', system.one)",
    "SELECT * FROM mysql('127.0.0.1:9', 'd', 't', 'u', 'p')",
    "SELECT * FROM postgresql('127.0.0.1:9', 'd', 't', 'u', 'p')",
    "SELECT * FROM sqlite('/etc/x', 't')",
    "SELECT * FROM executable('id', 'TSV', 's String')",
    "SELECT * FROM python('os')",
    "SELECT * FROM `/etc/hostname`",
    'SELECT * FROM default."/etc/hostname"',
    "SELECT * FROM `http://127.0.0.1:9/x.csv`",
    "SELECT 1 INTO OUTFILE '/tmp/deskstream-out.txt'",
    "INSERT INTO t FROM INFILE '/etc/hostname' FORMAT TSV",
    "INSERT INTO FUNCTION file('/tmp/deskstream-out.csv', 'CSV', 'n Int8') SELECT 1",
    "CREATE TABLE u (s String) ENGINE = URL('http://127.0.0.1:9/', 'LineAsString')",
    "CREATE TABLE u (s String) ENGINE File('LineAsString', '/etc/hostname')",
    "CREATE TABLE u ENGINE=Kafka('127.0.0.1:9', 't', 'g', 'CSV') AS SELECT 1",
    "CREATE TABLE u (n Int8) ENGINE = MergeTree ORDER BY n SETTINGS disk = disk(type = 'web', endpoint = 'http://127.0.0.1:9/')",
    "CREATE DATABASE u ENGINE = Filesystem('/etc')",
    "CREATE DATABASE u ENGINE = MySQL('127.0.0.1:9', 'd', 'u', 'p')",
    "CREATE DICTIONARY u (k UInt64, v String) PRIMARY KEY k SOURCE(HTTP(URL 'http://127.0.0.1:9/' FORMAT 'TSV'))"
    " LIFETIME(0) LAYOUT(FLAT())",
    "CREATE FUNCTION f AS x -> file(x)",
    "ATTACH TABLE u FROM '/etc/' (n Int8) ENGINE = MergeTree ORDER BY n",
    "BACKUP TABLE t TO File('/tmp/deskstream-backup')",
    "RESTORE TABLE t FROM File('/tmp/deskstream-backup')",
    "SELECT 1 # '\n, file('/etc/hostname') # '\n",
    "SELECT 1 -- '\n, file('/etc/hostname') -- '",
    "SELECT $$ ' $$, file('/etc/hostname'), $$ ' $$",
    "SELECT $a$ ' $a$, file('/etc/hostname'), $a$ ' $a$",
    "SELECT \u2018 ' \u2019, file('/etc/hostname'), \u2018 ' \u2019",
    "SELECT 1 AS \u201c ' \u201d, file('/etc/hostname') AS \u201c ' \u201d",
    "SELECT /* ' */ file('/etc/hostname') /* ' */",
    "SELECT '\\'', file('/etc/hostname'), '\\''",
    "SELECT '''', file('/etc/hostname'), ''''",
    "SELECT `a``'`, file('/etc/hostname') AS `a``'` FROM (SELECT 1 AS `a``'`)",
    "SELECT aiGenerate('say something')",
    "SELECT 1 SETTINGS dialect = 'prql'",
    "GRANT SOURCES ON *.* TO default",
    "CREATE USER mallory",
]


@each("user", ["default", "analyst"])
@each("sql", OUTSIDE)
def test_no_sql_leaves_the_engine(server: ClickHouseServer, client: Client, sql: str, user: str) -> None:
    status, text, code = http(server, sql.encode(), **{"X-ClickHouse-User": user})
    assert status in (403, 404, 400), text
    assert code in ("497", "164", "60", "62"), text


def test_a_setting_does_not_change_the_language(server: ClickHouseServer, client: Client) -> None:
    assert http(server, b"from t", "/?dialect=prql")[2] == "497"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'file(''/etc/hostname'')'",
        "SELECT 1 AS file -- INTO OUTFILE 'x'",
        "SELECT count() FROM numbers(10)",
        "SELECT * FROM values('n Int8', 1)",
        "SELECT * FROM view(SELECT 1)",
        "SELECT name FROM system.tables WHERE engine = 'URL'",
    ],
)
def test_words_in_texts_and_functions_of_the_engine_are_left_alone(server: ClickHouseServer, sql: str) -> None:
    assert http(server, sql.encode())[0] == 200


@pytest.mark.parametrize("own", [[], ["t"]], ids=["no table", "a table"])
def test_its_tables_are_there_again_after_a_restart(tmp_path: Path, own: list[str]) -> None:
    """The database `default` is replaced at every start, for files are tables in the engine's own."""
    create = "CREATE TABLE {} (n Int8) ENGINE = MergeTree ORDER BY n"
    statements = ["CREATE DATABASE d", create.format("d.t"), "INSERT INTO d.t VALUES (1)"]
    for name in own:
        statements += [create.format(name), f"INSERT INTO {name} VALUES (2)", f"DROP TABLE {name} SYNC"]
        statements += [create.format(name), f"INSERT INTO {name} VALUES (3)"]
    for attempt in range(3):
        server = ClickHouseServer(tmp_path)
        server.launch()
        try:
            server.wait()
            for statement in statements if attempt == 0 else ():
                assert http(server, statement.encode())[0] == 200
            assert http(server, b"SELECT n FROM d.t")[:2] == (200, "1\n")
            for name in own:
                assert http(server, f"SELECT n FROM {name}".encode())[:2] == (200, "3\n")
            assert http(server, b"SELECT * FROM `/etc/hostname`")[2] == "60"
        finally:
            server.stop()
