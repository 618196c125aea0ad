"""One row per ticket: everything known about it now."""

from schemas.facts import TicketFact
from sinks.clickhouse.table import Table

TABLE = Table("tickets", TicketFact, key=("ticket_id",))
