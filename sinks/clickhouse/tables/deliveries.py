"""Declares the table of deliveries: one row per message to a customer, with its outcome."""

from schemas.facts import DeliveryFact
from sinks.clickhouse.table import Table

TABLE = Table("deliveries", DeliveryFact, key=("outbound_id",), omit=frozenset(("message_key", "address_keys")))
