"""One row per message to a customer: what became of it."""

from schemas.facts import DeliveryFact
from sinks.clickhouse.table import Table

TABLE = Table("deliveries", DeliveryFact, key=("outbound_id",))
