"""Declares the table of pane buckets: durations of one measure in one bucket of one pane; sum over partitions and parts."""

from schemas.facts import PaneBucketFact
from sinks.clickhouse.table import Table

TABLE = Table(
    "pane_buckets",
    PaneBucketFact,
    key=("start", "measure", "channel", "team", "priority", "policy", "partition", "part", "bucket", "brand"),
)
