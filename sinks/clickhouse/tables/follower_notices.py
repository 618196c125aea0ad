"""Declares the table of notices to followers: one row per follower who was told what became of a ticket."""

from schemas.facts import FollowerNotice
from sinks.clickhouse.table import Table

TABLE = Table("follower_notices", FollowerNotice, key=("ticket_id", "episode", "agent_id", "outcome"))
