"""Every example of every fact, inserted as Avro and inserted as columns, is read back equal to the row view."""

import pytest

from schemas import codec
from sinks.clickhouse.avro_file import shapes
from sinks.clickhouse.inserter import SETTINGS
from sinks.clickhouse.table import tables
from tests.support.sinks.examples import example, sparse

pytestmark = pytest.mark.stack


def read_back(client, table, name):
    answer = client.query(f"SELECT {', '.join(table.columns)} FROM {name} ORDER BY version")
    return [dict(zip(answer.column_names, row, strict=True)) for row in answer.result_rows]


def test_both_ways_into_every_table_give_the_row_view(clickhouse):
    for record, table in tables().items():
        facts = [sparse(record, 0), example(record, 1), example(record, 2)]
        expected = [table.row(fact) for fact in facts]

        shape = shapes()[codec.header(record)]
        clickhouse.raw_insert(
            table.name,
            column_names=shape.columns,
            insert_block=shape.file([codec.encode(fact) for fact in facts]),
            fmt="Avro",
            settings=SETTINGS,
        )
        assert read_back(clickhouse, table, table.name) == expected, f"{table.name} as Avro"

        clickhouse.command(f"DROP TABLE IF EXISTS by_columns_{table.name}")
        clickhouse.command(f"CREATE TABLE by_columns_{table.name} AS {table.name}")
        columns = [[row[name] for row in expected] for name in table.columns]
        clickhouse.insert(f"by_columns_{table.name}", columns, column_names=table.columns, column_oriented=True)
        assert read_back(clickhouse, table, f"by_columns_{table.name}") == expected, f"{table.name} as columns"


def test_the_tables_of_the_migrations_have_the_columns_and_the_keys_that_are_declared(clickhouse):
    rows = clickhouse.query(
        "SELECT table, groupArray(name) FROM (SELECT table, name FROM system.columns "
        "WHERE database = currentDatabase() ORDER BY table, position) GROUP BY table"
    ).result_rows
    columns = {name: tuple(found) for name, found in rows}
    keys = dict(
        clickhouse.query("SELECT name, sorting_key FROM system.tables WHERE database = currentDatabase()").result_rows
    )
    for table in tables().values():
        assert columns[table.name] == table.columns
        assert keys[table.name].strip("()") == ", ".join(table.key)


def test_the_highest_version_of_a_key_counts_whatever_the_order_of_arrival(clickhouse):
    from schemas.facts import TicketFact

    shape = shapes()[codec.header(TicketFact)]
    for version, status in ((9, "solved"), (4, "open"), (7, "pending")):
        fact = example(TicketFact, version, ticket_id="ABCDEFGHIJKL-1", status=status, created_at=0)
        clickhouse.raw_insert("tickets", shape.columns, shape.file([codec.encode(fact)]), settings=SETTINGS, fmt="Avro")
    assert clickhouse.query("SELECT status FROM tickets_current").result_rows == [("solved",)]
