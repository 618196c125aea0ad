"""Declares the table of tickets: one row per ticket with its present state."""

from schemas.facts import TicketFact
from sinks.clickhouse.table import Table

TABLE = Table("tickets", TicketFact, key=("ticket_id",))
