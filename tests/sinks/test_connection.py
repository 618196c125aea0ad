"""What an error of ClickHouse means for a block, and that our names of the codes are ClickHouse's."""

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError, ProgrammingError

from schemas.errors import ConfigurationError, Unavailable
from schemas.settings import SinkSettings
from sinks.clickhouse import connection
from sinks.clickhouse.connection import Kind, connect, kind_of, name_of, server_message


def server(code, text="something", **extra):
    message = f"Received ClickHouse exception, code: {code}, server response: Code: {code}. DB::Exception: {text}"
    return DatabaseError(message + " (version 26.9.2.1 (chdb)) (for url http://127.0.0.1:1)", **extra)


@pytest.mark.parametrize(
    ("error", "kind", "name"),
    [
        (server(252, "Too many parts"), Kind.RETRY, "too_many_parts"),
        (server(241), Kind.RETRY, "memory_limit_exceeded"),
        (server(60), Kind.SETUP, "unknown_table"),
        (server(516), Kind.SETUP, "authentication_failed"),
        (server(117, "Incorrect data"), Kind.DATA, "other"),
        (server(469, "Constraint violated"), Kind.DATA, "other"),
        (server(1001, "type: avro::Exception, e.what() = EOF reached"), Kind.DATA, "other"),
        (server(1001, "type: std::bad_alloc"), Kind.RETRY, "other"),
        (OperationalError("Error [Errno 111] Connection refused executing HTTP request"), Kind.RETRY, "connection"),
        (DatabaseError("HTTPDriver for http://proxy returned response code 502"), Kind.RETRY, "connection"),
        (ProgrammingError("Setting x is unknown or readonly"), Kind.SETUP, "connection"),
        (ConnectionResetError("reset"), Kind.RETRY, "connection"),
    ],
)
def test_an_error_is_tried_again_or_stops_us_or_blames_the_data(error, kind, name):
    assert (kind_of(error), name_of(error)) == (kind, name)


def test_no_code_is_in_two_lists():
    assert not set(connection.RETRY) & set(connection.SETUP)


def test_an_error_is_one_line_without_address_and_version():
    assert server_message(server(60, "Table t\ndoes not exist. (UNKNOWN_TABLE)")) == (
        "Code: 60. DB::Exception: Table t does not exist. (UNKNOWN_TABLE)"
    )


@pytest.mark.parametrize("url", ["localhost:8123", "ftp://x", "http://", "http://h:port", ""])
def test_an_address_that_makes_no_sense_is_named(url):
    with pytest.raises(ConfigurationError, match="DESKSTREAM_CLICKHOUSE_URL"):
        connect(SinkSettings(clickhouse_url=url))


def test_a_server_that_does_not_answer_is_one_line():
    with pytest.raises(Unavailable, match=r"^ClickHouse at 127\.0\.0\.1:1 does not answer: Connection refused$"):
        connect(SinkSettings(clickhouse_url="http://user:secret@127.0.0.1:1"))


@pytest.mark.stack
def test_our_names_of_the_error_codes_are_those_of_clickhouse(clickhouse):
    for code, name in {**connection.RETRY, **connection.SETUP}.items():
        assert clickhouse.query(f"SELECT errorCodeToName({code})").result_rows == [(name,)]


def test_the_codes_after_which_an_insert_is_tried_again_and_those_that_stop_it():
    assert sorted(connection.RETRY) == [
        *(74, 75, 159, 173, 198, 201, 202, 203, 204, 209, 210, 225, 236, 241, 242, 243, 244, 252, 279, 285, 286, 290),
        *(319, 394, 425, 439, 519, 574, 745, 999, 1000),
    ]
    assert sorted(connection.SETUP) == [1, 16, 60, 81, 115, 164, 192, 193, 194, 195, 291, 497, 516]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            DatabaseError("Code: 60. DB::Exception: Unknown table expression identifier 'handle_times'"),
            ConfigurationError,
        ),
        (OperationalError("Connection refused"), Unavailable),
        (ConnectionResetError("reset"), Unavailable),
    ],
)
def test_a_query_on_our_views_that_fails_says_what_to_do(error: Exception, told: type[Exception]) -> None:
    says = "python -m sinks migrate" if told is ConfigurationError else "does not answer"
    with pytest.raises(told, match=says), connection.reading_views():
        raise error
