"""Declares the table of promises: one row per time by which an acknowledgement promised an answer, and what became of it."""

from schemas.facts import PromiseFact
from sinks.clickhouse.table import Table

TABLE = Table("promises", PromiseFact, key=("ticket_id", "episode"))
