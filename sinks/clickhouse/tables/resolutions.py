"""Declares the table of resolutions: one row per solve of a ticket, with first contact resolution or not."""

from schemas.facts import ResolutionFact
from sinks.clickhouse.table import Table

TABLE = Table("resolutions", ResolutionFact, key=("ticket_id", "episode"))
