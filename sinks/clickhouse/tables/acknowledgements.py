"""Declares the table of acknowledgement decisions: one row per contact that was acknowledged or not, with the reason."""

from schemas.facts import AcknowledgementFact
from sinks.clickhouse.table import Table

TABLE = Table("acknowledgements", AcknowledgementFact, key=("event_id",))
