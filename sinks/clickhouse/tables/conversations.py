"""One row per telephone call or chat that is over: outcome, waiting and handling time."""

from schemas.facts import ConversationFact
from sinks.clickhouse.table import Table

TABLE = Table("conversations", ConversationFact, key=("event_id",))
