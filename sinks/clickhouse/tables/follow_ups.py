"""Declares the table of follow-ups: one row per low score that a person looks after."""

from schemas.facts import FollowUpFact
from sinks.clickhouse.table import Table

TABLE = Table("follow_ups", FollowUpFact, key=("ticket_id", "episode"))
