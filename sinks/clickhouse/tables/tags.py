"""Declares the table of tags: one row per why-tag on a ticket; `active` is false after a correction."""

from schemas.facts import TagFact
from sinks.clickhouse.table import Table

TABLE = Table("tags", TagFact, key=("ticket_id", "tag"))
