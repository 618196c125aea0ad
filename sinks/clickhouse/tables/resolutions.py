"""One row per time that a ticket was solved, and whether that was first contact resolution."""

from schemas.facts import ResolutionFact
from sinks.clickhouse.table import Table

TABLE = Table("resolutions", ResolutionFact, key=("ticket_id", "episode"))
