"""Metric names and labels follow one rule, so that alerts and dashboards can rely on it."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram

from schemas import metrics
from schemas.metrics_table import table
from tests.support.each import each

BOUNDED = {
    "action", "agent", "brand", "channel", "clock", "credential", "kind", "language", "listener", "locale", "outcome", "partition",
    "phase", "policy", "priority", "process", "quadrant", "reason", "rule", "scheme",
    "score", "sink", "source", "stage", "status", "subscription", "table", "tag", "team", "template", "threshold", "topic", "version",
    "window",
}  # fmt: skip
#: Counters of time that adds up (as process_cpu_seconds_total does): no durations of single events.
TIME_THAT_ADDS_UP = {"deskstream_kafka_away_seconds_total"}
METRICS = {name: value for name, value in vars(metrics).items() if isinstance(value, Counter | Gauge | Histogram)}
every_metric = each("metric", METRICS.values())


def full_name(metric: Counter | Gauge | Histogram) -> str:
    family = next(iter(metric.describe()))
    return family.name + ("_total" if isinstance(metric, Counter) else "")


@every_metric
def test_the_name_is_deskstream_noun_and_unit(metric: Counter | Gauge | Histogram) -> None:
    assert re.fullmatch(r"deskstream(_[a-z]+)+", full_name(metric))


@every_metric
def test_a_duration_is_in_seconds_and_has_buckets_unless_it_is_how_things_stand_now(
    metric: Counter | Gauge | Histogram,
) -> None:
    name = full_name(metric)
    assert not re.search(r"_(ms|millis|micros|minutes|hours)(_|$)", name)
    if name not in TIME_THAT_ADDS_UP:
        assert isinstance(metric, Histogram | Gauge) or not re.search(r"_seconds(_total)?$", name)


@every_metric
def test_no_label_can_name_a_ticket_a_customer_or_free_text(metric: Counter | Gauge | Histogram) -> None:
    assert set(metric._labelnames) <= BOUNDED


@every_metric
def test_a_metric_says_what_it_is(metric: Counter | Gauge | Histogram) -> None:
    assert next(iter(metric.describe())).documentation


def test_the_table_of_metrics_is_current() -> None:
    written = Path(__file__).parents[2] / "deploy" / "prometheus" / "METRICS.md"
    assert written.read_text("utf-8") == table(), "make generate writes it anew"
