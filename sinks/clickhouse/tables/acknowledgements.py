"""One row per decision to acknowledge a contact or to stay silent, with the reason."""

from schemas.facts import AcknowledgementFact
from sinks.clickhouse.table import Table

TABLE = Table("acknowledgements", AcknowledgementFact, key=("event_id",))
