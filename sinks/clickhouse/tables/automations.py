"""Declares the table of what rules did: one row per action of a rule that fired."""

from schemas.facts import AutomationFact
from sinks.clickhouse.table import Table

TABLE = Table("automations", AutomationFact, key=("firing_id",))
