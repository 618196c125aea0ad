"""Declares the table of webhook deliveries: one row per attempt to send a fact to a subscribed system."""

from schemas.facts import WebhookDelivered
from sinks.clickhouse.table import Table

TABLE = Table("webhook_deliveries", WebhookDelivered, key=("delivery_id", "at"))
