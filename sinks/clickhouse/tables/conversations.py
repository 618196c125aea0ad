"""Declares the table of conversations: one row per ended call or chat, with outcome, waiting and handling time."""

from schemas.facts import ConversationFact
from sinks.clickhouse.table import Table

TABLE = Table("conversations", ConversationFact, key=("event_id",))
