"""One row per thing that happened on a customer's timeline."""

from schemas.facts import ContactFact
from sinks.clickhouse.table import Table

TABLE = Table("contacts", ContactFact, key=("event_id",))
