"""Declares the table of ticket clocks: one row per ticket with all its clocks, in calendar and working seconds."""

from schemas.facts import TicketClocks
from sinks.clickhouse.table import Table

TABLE = Table("ticket_clocks", TicketClocks, key=("ticket_id",))
