"""Declares the table of clock shares: the seconds of each SLA clock by the party they are charged to."""

from schemas.facts import ClockShare
from sinks.clickhouse.table import Table

TABLE = Table("clock_shares", ClockShare, key=("ticket_id", "episode", "clock", "team", "agent_id"))
