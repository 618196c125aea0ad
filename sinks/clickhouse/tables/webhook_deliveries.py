"""One row per attempt to hand a fact to a subscribed help desk."""

from schemas.facts import WebhookDelivered
from sinks.clickhouse.table import Table

TABLE = Table("webhook_deliveries", WebhookDelivered, key=("delivery_id", "at"))
