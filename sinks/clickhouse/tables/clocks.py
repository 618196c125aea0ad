"""Declares the table of the SLA ledger: one row per transition of a clock."""

from schemas.facts import ClockFact
from sinks.clickhouse.table import Table

TABLE = Table("clocks", ClockFact, key=("ticket_id", "episode", "clock", "instance", "transition", "sequence"))
