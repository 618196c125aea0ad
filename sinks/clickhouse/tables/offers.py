"""Declares the table of offers: one row per offer of a ticket to an agent, and what became of it."""

from schemas.facts import OfferFact
from sinks.clickhouse.table import Table

TABLE = Table("offers", OfferFact, key=("offer_id",))
