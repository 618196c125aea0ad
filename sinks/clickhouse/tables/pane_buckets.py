"""How many durations of one measure fell into one bucket of one pane: sum over partitions and parts."""

from schemas.facts import PaneBucketFact
from sinks.clickhouse.table import Table

TABLE = Table(
    "pane_buckets",
    PaneBucketFact,
    key=("start", "measure", "channel", "team", "priority", "policy", "partition", "part", "bucket"),
)
