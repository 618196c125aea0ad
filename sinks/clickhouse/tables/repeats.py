"""Declares the table of repeats: one row per reason that a customer contacted us about again within days."""

from schemas.facts import RepeatFact
from sinks.clickhouse.table import Table

TABLE = Table("repeats", RepeatFact, key=("event_id", "tag"))
