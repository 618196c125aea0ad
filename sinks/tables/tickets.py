"""One row per ticket: everything known about it now."""

from schemas.facts import TicketFact
from sinks.table import Table

TABLE = Table("tickets", TicketFact, key=("ticket_id",))
