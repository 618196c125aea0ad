"""Declares the table of assignments: one row per assignment or transfer."""

from schemas.facts import AssignmentFact
from sinks.clickhouse.table import Table

TABLE = Table("assignments", AssignmentFact, key=("event_id",))
