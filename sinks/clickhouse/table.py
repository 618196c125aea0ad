"""Declares ClickHouse tables, and finds the modules of `tables/`, each of which declares one as `TABLE`.

Facts reach ClickHouse as Avro; ClickHouse matches fields and columns by name. A table therefore needs no code: it
declares the record kind, the columns with another name, and the fields without a column. `Table.row` is the same mapping
in Python; the golden tests compare it with what ClickHouse returns.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from schemas import plugins
from schemas.clock import from_micros
from schemas.events import Micros
from schemas.facts import Fact


@dataclass(frozen=True, slots=True)
class Table:
    """Holds one table and the one kind of fact that fills it.

    key     the columns of the deterministic id: the table's ORDER BY; the highest `version` of a key counts
    rename  field → column, where they differ
    omit    fields that have no column
    """

    name: str
    record: type[Fact]
    key: tuple[str, ...]
    rename: Mapping[str, str] = field(default_factory=dict)
    omit: frozenset[str] = frozenset()

    def column(self, field_name: str) -> str:
        """Returns the column of a field."""
        return self.rename.get(field_name, field_name)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that facts fill, in the order of the record's fields."""
        return tuple(self.column(name) for name in self.record.__struct_fields__ if name not in self.omit)

    def row(self, fact: Fact) -> dict[str, Any]:
        """Returns the values of a fact by column, as a query returns them; times are aware UTC datetimes."""
        times = time_fields(self.record)
        row = {}
        for name in self.record.__struct_fields__:
            if name not in self.omit:
                value = getattr(fact, name)
                row[self.column(name)] = from_micros(value) if name in times and value is not None else value
        return row


@cache
def time_fields(record: type[Fact]) -> frozenset[str]:
    """Returns the fields of a record that hold microseconds since 1970 UTC."""
    hints = typing.get_type_hints(record, include_extras=True)
    return frozenset(name for name, hint in hints.items() if hint is Micros or Micros in typing.get_args(hint))


@cache
def tables() -> dict[type, Table]:
    """Maps each record kind to its table, from every module in `tables/`, sorted by module name.

    Raises:
        ConfigurationError: two modules claim the same record or table, or one declares no TABLE.
    """
    return collect(plugins.modules("sinks.clickhouse.tables"))


def collect(modules: list[Any]) -> dict[type, Table]:
    """Returns the tables that modules declare; see `tables`."""
    found: dict[type, Table] = {}
    owners = plugins.Owners()
    for module, table in plugins.declarations("TABLE", modules):
        owners.claim(table.name, module)
        owners.claim(table.record.__name__, module)
        found[table.record] = table
    return found
