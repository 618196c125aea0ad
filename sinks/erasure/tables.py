"""Deletes a person's rows from every table of ClickHouse, and looks for them in every column of all tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from sinks.erasure.person import Person

__all__ = ["AUDIT", "Rows", "deleted", "found", "old_parts", "tables"]

#: Says which erasures were done, without saying of whom.
AUDIT = "erasures"
_TABLES = """
SELECT table, groupUniqArray(name) AS columns FROM system.columns
WHERE database = currentDatabase() AND table IN (
    SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree%')
GROUP BY table ORDER BY table
"""
_OLD_PARTS = "SELECT count() FROM system.parts WHERE database = currentDatabase() AND NOT active"


class Rows(NamedTuple):
    """Counts the rows of one table: all, those that are the person's, and those of others that mention them."""

    table: str
    looked: int
    theirs: int
    others: int


def tables(client: Client) -> dict[str, bool]:
    """Maps every table to whether its rows belong to customers."""
    return {str(table): "customer_tag" in columns for table, columns in client.query(_TABLES).result_rows}


def found(client: Client, person: Person) -> list[Rows]:
    """Looks at every value of every row."""
    counted = []
    for table, owned in tables(client).items():
        theirs = "customer_tag IN {tags:Array(String)}" if owned else "0"
        said = (
            "multiSearchAny(toJSONString(tuple(*)), {tags:Array(String)})"
            " OR multiSearchAnyCaseInsensitiveUTF8(toJSONString(tuple(*)), {words:Array(String)})"
        )
        sql = f"SELECT count(), countIf({theirs}), countIf(NOT ({theirs}) AND ({said})) FROM `{table}`"  # noqa: S608 - names of tables, from ClickHouse itself
        words = sorted(person.words | person.names)[:200] or ["\0"]
        parameters = {"tags": sorted(person.tags), "words": words}
        [row] = client.query(sql, parameters=parameters).result_rows
        counted.append(Rows(table, *(int(each) for each in row)))
    return counted


def deleted(client: Client, person: Person, *, say: Callable[[str], None]) -> int:
    """Deletes the person's rows from every table, and waits until the parts without them are written; returns how many."""
    total, parameters = 0, {"tags": sorted(person.tags)}
    for table, owned in tables(client).items():
        if not owned:
            continue
        where = "customer_tag IN {tags:Array(String)}"
        counting = f"SELECT count() FROM `{table}` WHERE {where}"  # noqa: S608 - as above
        count = int(client.query(counting, parameters=parameters).result_rows[0][0])
        if count:
            quoted = ", ".join(f"'{tag}'" for tag in sorted(person.tags))  # base32: nothing to escape
            client.command(
                f"ALTER TABLE `{table}` DELETE WHERE customer_tag IN ({quoted})", settings={"mutations_sync": 2}
            )
            say(f"ClickHouse: {count} rows of {table} deleted")
        total += count
    return total


def old_parts(client: Client) -> int:
    """Counts the parts that ClickHouse no longer reads and has not removed yet; it does so within minutes."""
    return int(client.query(_OLD_PARTS).result_rows[0][0])
