"""Declares the table of suppressions: one row per address that a report told something about, without the address."""

from schemas.facts import SuppressionFact
from sinks.clickhouse.table import Table

TABLE = Table("suppressions", SuppressionFact, key=("address_key",), omit=frozenset(("counted",)))
