"""The HTTP interface in front of chdb, asked by clickhouse-connect and by plain HTTP."""

from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import Callable, Iterator

import lz4.frame
import psutil
import pytest
from backports import zstd
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.clickhouse import ClickHouseServer
from deploy.local.content_encoding import decompress
from deploy.local.engine_errors import EngineError
from deploy.local.sql_statements import parse_insert, require_one_statement
from tests.support.deploy.embedded_clickhouse import connect, http, running, with_table
from tests.support.timeouts import eventually

QUERY_WAS_CANCELLED = 394
ROWS = [[1, "a'b\\c", "x"], [2, "日本", "y"], [3, "", "x"]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    with running(tmp_path_factory.mktemp("front")) as server:
        yield server


@pytest.fixture
def client(server: ClickHouseServer) -> Iterator[Client]:
    with with_table(server) as client:
        yield client


# --- what is pure -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "statement", "name", "data"),
    [
        (b"INSERT INTO t FORMAT Native\n\x01\x02", "INSERT INTO t ", "Native", b"\x01\x02"),
        (b"insert into d.t (`a`, b) format TSV\n1\t2\n", "insert into d.t (`a`, b) ", "TSV", b"1\t2\n"),
        (b"INSERT INTO `odd FORMAT x` FORMAT CSV\n1", "INSERT INTO `odd FORMAT x` ", "CSV", b"1"),
        (b"-- why\nINSERT INTO t SETTINGS a=1 FORMAT CSV 1", "-- why\nINSERT INTO t SETTINGS a=1 ", "CSV", b"1"),
        (b"INSERT INTO t (format) FORMAT CSV\r\n1", "INSERT INTO t (format) ", "CSV", b"1"),
        (b"INSERT INTO t FORMAT RowBinary\n\n\x00", "INSERT INTO t ", "RowBinary", b"\n\x00"),
    ],
)
def test_an_insert_with_inline_data_is_split(sql: bytes, statement: str, name: str, data: bytes) -> None:
    insert = parse_insert(sql)
    assert insert is not None
    assert (insert.statement, insert.format, sql[insert.data_at :]) == (statement, name, data)


@pytest.mark.parametrize(
    "sql",
    [
        b"SELECT 1 FORMAT Native",
        b"INSERT INTO t SELECT 1 FORMAT Null",
        b"INSERT INTO t VALUES (' FORMAT x\n')",
        b"",
        b"INSERT",
    ],
)
def test_every_other_statement_is_left_alone(sql: bytes) -> None:
    assert parse_insert(sql) is None


@pytest.mark.parametrize(
    "sql", [b"SELECT 1;", b"SELECT ';' AS a", b"SELECT 1 -- a; b\n", b"SELECT 1; -- over\n", b"SELECT `;`"]
)
def test_one_statement_is_accepted(sql: bytes) -> None:
    require_one_statement(sql)


@pytest.mark.parametrize("sql", [b"SELECT 1; SELECT 2", b"SELECT 1;\n/* c */ DROP TABLE t", b"  ", b""])
def test_none_or_two_statements_are_a_syntax_error(sql: bytes) -> None:
    with pytest.raises(EngineError) as error:
        require_one_statement(sql)
    assert error.value.code == 62


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "lz4": lz4.frame.compress,
    "zstd": zstd.compress,
    "identity": bytes,
}


@pytest.mark.parametrize("encoding", COMPRESSORS)
@given(parts=st.lists(st.binary(max_size=50), min_size=1, max_size=5))
def test_every_frame_of_a_compressed_body_is_read(encoding: str, parts: list[bytes]) -> None:
    body = b"".join(COMPRESSORS[encoding](part) for part in parts)
    assert decompress(body, encoding) == b"".join(parts)


def test_frames_larger_than_a_slice_are_read_whole() -> None:
    parts = [bytes([n]) * 3_000_000 + b"end" for n in range(3)]
    stored = [lz4.frame.compress(part, compression_level=0, block_size=7) for part in parts]
    assert decompress(b"".join(stored), "lz4") == b"".join(parts)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "lz4", "zstd"])
def test_a_body_that_ends_inside_a_frame_is_refused(encoding: str) -> None:
    body = COMPRESSORS[encoding](b"0123456789" * 100)
    with pytest.raises(EngineError) as error:
        decompress(body + body[:-5], encoding)
    assert error.value.code == 271


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(EngineError, match="not supported"):
        decompress(b"x", "snappy")


# --- asked by clickhouse-connect --------------------------------------------------------------------------------------


def test_parameters_are_bound_by_the_server(client: Client) -> None:
    answer = client.query(
        "SELECT {a:String}, {n:Int32} + 1, {d:Array(String)}", parameters={"a": "x'y", "n": 4, "d": ["p", "q"]}
    )
    assert answer.result_rows == [("x'y", 5, ["p", "q"])]


def test_many_long_parameters_arrive_as_a_form(server: ClickHouseServer) -> None:
    client = connect(server, form_encode_query_params=True)
    assert client.query("SELECT length({a:String})", parameters={"a": "x" * 100_000}).result_rows == [(100_000,)]


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"])
def test_columnar_inserts_arrive_whole_with_every_compression(
    server: ClickHouseServer, client: Client, compress: str | bool
) -> None:
    count = 100_000  # clickhouse-connect cuts this into several blocks, each a frame of its own
    columns = [list(range(count)), [f"row {n}" for n in range(count)], ["x", "y"] * (count // 2)]
    writer = connect(server, compress=compress)
    summary = writer.insert("t", columns, column_names=["n", "s", "c"], column_oriented=True)
    assert summary.written_rows == count
    assert client.query(
        "SELECT count(), sum(n), countIf(s = concat('row ', toString(n))), countIf(c = 'y') FROM t"
    ).result_rows == [(count, count * (count - 1) // 2, count, count // 2)]


@pytest.mark.parametrize("name", ["Native", "RowBinary", "Avro", "JSONEachRow", "TabSeparated", "Parquet"])
def test_a_raw_insert_reads_back_what_a_raw_query_wrote(client: Client, name: str) -> None:
    client.insert("t", ROWS, column_names=["n", "s", "c"])
    body = client.raw_query("SELECT n, s, c FROM t ORDER BY n", fmt=name)
    client.command("TRUNCATE TABLE t")
    client.raw_insert("t", column_names=["n", "s", "c"], insert_block=body, fmt=name)
    assert client.query("SELECT * FROM t ORDER BY n").result_rows == [tuple(row) for row in ROWS]


def test_settings_last_for_their_request(client: Client) -> None:
    before = client.command("SELECT getSetting('max_block_size')")
    assert client.command("SELECT getSetting('max_block_size')", settings={"max_block_size": 77}) == 77
    assert client.command("SELECT getSetting('max_block_size')") == before
    client.command("SET max_block_size = 78")
    assert client.command("SELECT getSetting('max_block_size')") == before


def test_the_database_of_a_client_lasts_for_its_requests(server: ClickHouseServer, client: Client) -> None:
    client.command("CREATE DATABASE IF NOT EXISTS `d-2`")
    assert connect(server, database="d-2").command("SELECT currentDatabase()") == "d-2"
    assert client.command("SELECT currentDatabase()") == "default"


def test_an_insert_with_a_known_token_is_not_repeated(client: Client) -> None:
    client.command(
        "CREATE OR REPLACE TABLE d (n Int64) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 100"
    )
    for token, rows in (("a:0-2", [[1], [2]]), ("a:0-2", [[1], [2]]), ("a:2-3", [[3]])):
        client.insert("d", rows, column_names=["n"], settings={"insert_deduplication_token": token})
    assert client.query("SELECT groupArray(n) FROM (SELECT n FROM d ORDER BY n)").result_rows == [([1, 2, 3],)]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT nope", 47),
        ("SELEC 1", 62),
        ("SELECT 1; SELECT 2", 62),
        ("SELECT * FROM nope", 60),
        ("SELECT * FROM nope.t", 81),
        ("SELECT nope()", 46),
        ("SELECT 1 SETTINGS nope = 1", 115),
        ("SELECT throwIf(1)", 395),
        ("CREATE TABLE t (n Int8) ENGINE = Memory", 57),
        ("SELECT sleep(3) SETTINGS max_execution_time = 0.2", 159),
        ("SELECT number FROM numbers(10000000) ORDER BY rand() SETTINGS max_memory_usage = 1000000", 241),
        ("SELECT number, toString(number) FROM numbers(20000000)", 396),
    ],
)
def test_an_error_carries_the_code_of_clickhouse(client: Client, sql: str, code: int) -> None:
    with pytest.raises(DatabaseError) as error:
        client.command(sql)
    assert error.value.code == code


@pytest.mark.parametrize(
    ("table", "name", "body", "code"),
    [
        ("nope", "TSV", b"1\n", 60),
        ("t", "TSV", b"x\ty\tz\n", 27),
        ("t", "Nope", b"", 73),
        ("t", "Native", b"\x03\x01", 32),
    ],
)
def test_a_refused_insert_carries_the_code_and_writes_nothing(
    client: Client, table: str, name: str, body: bytes, code: int
) -> None:
    with pytest.raises(DatabaseError) as error:
        client.raw_insert(table, insert_block=body, fmt=name)
    assert error.value.code == code
    assert client.command("SELECT count() FROM t") == 0


def test_external_data_is_refused_clearly(client: Client) -> None:
    from clickhouse_connect.driver.external import ExternalData

    data = ExternalData(file_name="e", data=b"1\n", structure=["n Int64"], fmt="TSV")
    with pytest.raises(DatabaseError, match="external data is not supported"):
        client.query("SELECT * FROM e", external_data=data)


# --- users, limits, isolation -----------------------------------------------------------------------------------------


def test_the_analyst_reads(server: ClickHouseServer, client: Client) -> None:
    client.insert("t", ROWS, column_names=["n", "s", "c"])
    analyst = connect(server, username="analyst")
    assert analyst.query("SELECT sum(n) FROM t", settings={"max_threads": 1}).result_rows == [(6,)]


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t VALUES (1, 'a', 'b')",
        "CREATE TABLE u (n Int8) ENGINE = Memory",
        "DROP TABLE t",
        "ALTER TABLE t DELETE WHERE 1",
        "SET readonly = 0",
    ],
)
def test_the_analyst_does_not_write(server: ClickHouseServer, client: Client, sql: str) -> None:
    status, text, code = http(server, sql.encode(), **{"X-ClickHouse-User": "analyst"})
    assert (status, code) == (403, "164"), text


def test_the_analyst_does_not_insert_and_cannot_ask_to_be_allowed(server: ClickHouseServer, client: Client) -> None:
    for path in ("/?user=analyst", "/?user=analyst&readonly=0"):
        assert http(server, b"INSERT INTO t FORMAT TSV\n1\ta\tb\n", path)[2] == "164"
    assert client.command("SELECT count() FROM t") == 0


def test_an_unknown_user_is_refused(server: ClickHouseServer) -> None:
    with pytest.raises(DatabaseError) as error:
        connect(server, username="mallory")
    assert error.value.code == 516


def test_get_reads_only(server: ClickHouseServer, client: Client) -> None:
    assert http(server, path="/?query=SELECT%201")[:2] == (200, "1\n")
    assert http(server, path="/?query=DROP%20TABLE%20t")[2] == "164"


def test_it_listens_on_loopback_only(server: ClickHouseServer) -> None:
    listening = [
        c.laddr.ip for c in psutil.Process(server.process.pid).net_connections() if c.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1"]


def test_a_long_query_blocks_neither_ping_nor_other_queries(server: ClickHouseServer, client: Client) -> None:
    refused: list[int] = []

    def slow() -> None:  # the better part of a minute, if nobody ends it
        with pytest.raises(DatabaseError) as error:
            connect(server).command("SELECT sum(sleepEachRow(0.05)) FROM numbers(1000) SETTINGS max_block_size = 1")
        refused.append(error.value.code)

    thread, ours = threading.Thread(target=slow), "query LIKE 'SELECT sum(sleepEachRow%'"
    thread.start()
    eventually(lambda: client.command(f"SELECT count() FROM system.processes WHERE {ours}"), "that it runs")
    assert http(server, path="/ping")[:2] == (200, "Ok.\n")
    assert client.command("SELECT 1") == 1
    assert thread.is_alive()
    client.command(f"KILL QUERY WHERE {ours} ASYNC")
    thread.join()
    assert refused == [QUERY_WAS_CANCELLED], "it did not end by itself"


def test_memory_stays_bounded_under_inserts(server: ClickHouseServer, client: Client) -> None:
    columns = [list(range(50_000)), [f"{n:0100d}" for n in range(50_000)], ["x"] * 50_000]
    for _ in range(10):
        client.insert("t", columns, column_names=["n", "s", "c"], column_oriented=True)
    assert client.command("SELECT count() FROM t") == 500_000
    process = psutil.Process(server.process.pid)
    # the allocator gives back what the tests above used within seconds
    eventually(lambda: process.memory_info().rss <= 600_000_000, "that it holds 600 MB at most")
