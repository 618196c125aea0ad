"""What a ClickHouse table is to the sink, and which there are: every module in `tables/` declares one as `TABLE`.

Facts reach ClickHouse as the Avro they already are; ClickHouse matches fields and columns by name. So a table is
declared, not programmed: the record kind, the columns that are named otherwise, the fields that are left out.
`Table.row` is the same mapping in Python, which the golden tests hold against what ClickHouse returns.
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
    """One table and the one kind of fact that fills it.

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
        return self.rename.get(field_name, field_name)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that facts fill, in the order of the record's fields."""
        return tuple(self.column(name) for name in self.record.__struct_fields__ if name not in self.omit)

    def row(self, fact: Fact) -> dict[str, Any]:
        """Column → value as a query returns it; times are aware UTC datetimes."""
        times = time_fields(self.record)
        row = {}
        for name in self.record.__struct_fields__:
            if name not in self.omit:
                value = getattr(fact, name)
                row[self.column(name)] = from_micros(value) if name in times and value is not None else value
        return row


@cache
def time_fields(record: type[Fact]) -> frozenset[str]:
    """The fields of a record that hold microseconds since 1970 UTC."""
    hints = typing.get_type_hints(record, include_extras=True)
    return frozenset(name for name, hint in hints.items() if hint is Micros or Micros in typing.get_args(hint))


@cache
def tables() -> dict[type, Table]:
    """Record kind → table, from every module in `tables/`, sorted by module name.

    Raises:
        ConfigurationError: two modules claim the same record or table, or one declares no TABLE.
    """
    return collect(plugins.modules("sinks.clickhouse.tables"))


def collect(modules: list[Any]) -> dict[type, Table]:
    """The tables that these modules declare; see `tables`."""
    found: dict[type, Table] = {}
    owners = plugins.Owners()
    for module, table in plugins.declarations("TABLE", modules):
        owners.claim(table.name, module)
        owners.claim(table.record.__name__, module)
        found[table.record] = table
    return found
