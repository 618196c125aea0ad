"""Declares the table of contacts: one row per event of a customer."""

from schemas.facts import ContactFact
from sinks.clickhouse.table import Table

TABLE = Table("contacts", ContactFact, key=("event_id",))
