"""Declares the table of presences: one row per period in which an agent's presence in a team did not change."""

from schemas.facts import PresenceFact
from sinks.clickhouse.table import Table

TABLE = Table("presences", PresenceFact, key=("team", "agent_id", "since"))
