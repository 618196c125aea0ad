"""Declares the table of panes: five minutes of one combination of dimensions, as partials to sum over partitions and parts."""

from schemas.facts import PaneFact
from sinks.clickhouse.table import Table

TABLE = Table("panes", PaneFact, key=("partition", "part", "start", "channel", "team", "priority", "policy", "brand"))
