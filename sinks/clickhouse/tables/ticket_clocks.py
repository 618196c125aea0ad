"""All clocks of a ticket, one row each, measured in calendar and working seconds."""

from schemas.facts import TicketClocks
from sinks.clickhouse.table import Table

TABLE = Table("ticket_clocks", TicketClocks, key=("ticket_id",))
