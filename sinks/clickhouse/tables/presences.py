"""One row per stretch of time in which an agent's presence in a team was one and the same."""

from schemas.facts import PresenceFact
from sinks.clickhouse.table import Table

TABLE = Table("presences", PresenceFact, key=("team", "agent_id", "since"))
