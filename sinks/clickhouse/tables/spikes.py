"""Declares the table of spikes: one row per time that a tag was found on far more contacts than usual."""

from schemas.facts import SpikeFact
from sinks.clickhouse.table import Table

TABLE = Table("spikes", SpikeFact, key=("tag", "brand", "since"), rename={"count": "contacts"})
