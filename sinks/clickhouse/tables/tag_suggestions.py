"""Declares the table of suggestions: one row per contact for which the suggester named a tag, and what became of it."""

from schemas.facts import SuggestionFact
from sinks.clickhouse.table import Table

TABLE = Table("tag_suggestions", SuggestionFact, key=("contact_id",))
