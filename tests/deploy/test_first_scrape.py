"""What every process exports from its start: alerts, records, dashboards and runbooks read nothing that is not there.

A series that begins with its first event hides that event from `increase`, and an alert that compares it with another stays
silent. So counters begin at 0 with their labels; the few that cannot are counted in full when they appear
(`deploy.prometheus.rule.counted`).
"""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY, Gauge
from prometheus_client.samples import Sample

from deploy.grafana.boards import boards
from deploy.grafana.panels import Prom
from deploy.grafana.panels import queries as panel_queries
from deploy.prometheus import cases
from deploy.tools import Tools
from schemas import metrics
from tests.deploy.test_alert_cases import judge
from tests.support.deploy.first_scrape import PROCESSES, first_scrapes
from tests.support.deploy.monitoring import OPENER, Alertmanager, Prometheus

HERE = Path(cases.__file__).parent
RULES = HERE / "rules"
Scrapes = Mapping[str, tuple[Sample, ...]]
#: Gauges that a process cannot know at its start, and why an alert or panel that reads them is right without them.
UNKNOWN_AT_THE_START = {
    "deskstream_lag_records": "a worker knows no partition yet, and 0 would say that it has read everything",
    "deskstream_last_commit_timestamp_seconds": "0 would be a commit in 1970; NoCommit has a part for a missing one",
    "deskstream_watchdog_look_timestamp_seconds": "set when the event loop runs; 0 would be a look in 1970",
    "deskstream_sink_lag_records": "a sink knows no partition yet, and 0 would say that it has read everything",
    "deskstream_certificate_expiry_timestamp_seconds": "there is one only where a certificate is configured",
    "deskstream_credential_expiry_timestamp_seconds": "there is one only where a date is configured",
    "deskstream_rules_info": "the version in force is known once the rules topic is read",
    "deskstream_chat_conversations": "a process of chat counts its conversations once it serves",
    "deskstream_deadlines_pending": "a worker has not restored its deadlines yet",
}


@pytest.fixture(scope="module")
def scrapes(tmp_path_factory: pytest.TempPathFactory) -> Scrapes:
    return first_scrapes(tmp_path_factory.mktemp("first"))


def expressions() -> Iterator[tuple[str, str]]:
    """Every expression with where it stands."""
    for path in sorted(RULES.glob("*.yaml")):
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]:
            for rule in group["rules"]:
                yield rule.get("alert") or rule["record"], rule["expr"]
    for board, panel, query in panel_queries(boards()):
        if isinstance(query, Prom):
            yield f"{board.uid}/{panel.title}", query.expr
    for path in sorted((HERE.parent / "runbooks").glob("*.md")):
        for block in re.findall(r"^```promql\n(.*?)\n```$", path.read_text("utf-8"), re.MULTILINE | re.DOTALL):
            yield path.name, block


def named(expression: str) -> set[str]:
    """The metrics of processes that an expression reads; alternatives of a name are written out."""
    found = set()
    for pattern in re.findall(r'__name__=~"([^"]+)"', expression):
        before, choice, after = re.fullmatch(r"(?:(\w*)\()?([\w|]+)(?:\)(\w*))?", pattern).groups(default="")  # type: ignore[union-attr]
        found |= {before + each + after for each in choice.split("|")}
    bare = re.sub(r'"[^"]*"', '""', expression)
    return found | set(re.findall(r"\b((?:deskstream|process|prometheus|alertmanager)_\w+)\b(?!\s*=)", bare))


READ = {name for _, expression in expressions() for name in named(expression)}
OURS = {name for name in READ if name.startswith(("deskstream_", "process_"))}
THEIRS = READ - OURS


def of_states() -> set[str]:
    """The gauges that are computed at the scrape, over the partitions that a worker holds: at its start it holds none."""
    declared = [each for each in vars(metrics).values() if isinstance(each, Gauge)]
    return {next(iter(each.describe())).name for each in declared if each not in REGISTRY._collector_to_names}


def test_every_metric_that_is_read_is_exported_from_the_start(scrapes: Scrapes) -> None:
    exported = {sample.name for samples in scrapes.values() for sample in samples}
    missing = {
        f"{where}: {name}"
        for where, expression in expressions()
        for name in named(expression) & OURS - exported - of_states() - set(UNKNOWN_AT_THE_START)
    }
    assert missing == set()


def test_no_exception_is_left_over(scrapes: Scrapes) -> None:
    exported = {sample.name for samples in scrapes.values() for sample in samples}
    assert set(UNKNOWN_AT_THE_START) & exported == set()
    assert set(UNKNOWN_AT_THE_START) <= READ


def test_every_counter_begins_at_zero(scrapes: Scrapes) -> None:
    counted = [each for samples in scrapes.values() for each in samples if each.name.startswith("deskstream_")
               and each.name.endswith(("_total", "_count", "_sum"))]  # fmt: skip
    assert counted
    assert {each.name for each in counted if each.value != 0} == set()


@pytest.mark.parametrize(
    ("process", "name", "labels"),
    [
        ("http", "deskstream_contacts_published_total", {"channel": "form"}),
        ("smtp", "deskstream_contacts_refused_total", {"channel": "email", "reason": "unavailable"}),
        ("imap", "deskstream_source_connected", {}),
        ("worker", "deskstream_records_dead_lettered_total", {"agent": "routing", "kind": "defect"}),
        ("worker", "deskstream_rules_refused_total", {"reason": "late"}),
        ("worker", "deskstream_sla_breached_total", {"policy": "mail-vip", "clock": "first_response"}),
        ("sink-clickhouse", "deskstream_sink_paused", {"sink": "clickhouse"}),
        ("sink-delivery", "deskstream_deliveries_total", {"channel": "email", "outcome": "bounced"}),
        ("sink-webhooks", "deskstream_webhook_breaker_state", {"subscription": "crm"}),
        *((process, "deskstream_kafka_away_seconds_total", {}) for process in PROCESSES),
    ],
)
def test_a_series_that_an_alert_needs_is_there(
    process: str, name: str, labels: dict[str, str], scrapes: Scrapes
) -> None:
    found = [each for each in scrapes[process] if each.name == name and labels.items() <= each.labels.items()]
    assert found
    assert all(each.value == 0 for each in found)


# -- the first deployment: everything is up, nobody writes -----------------------------------------------------------

MINUTES = (10, 20, 45, 130)


def series_of(scrapes: Scrapes, values: str) -> dict[str, str]:
    """The first scrapes as promtool's input; `values` has a place for the value of a sample."""
    put_in: dict[str, str] = {}
    for process, samples in scrapes.items():
        job = 'job="deskstream/deskstream"'
        put_in[f'up{{{job},instance="{process}"}}'] = "1x300"
        put_in[f'process_start_time_seconds{{{job},instance="{process}"}}'] = "0x300"
        for sample in samples:
            if sample.name.startswith("deskstream_") and not sample.name.endswith(("_created", "_bucket")):
                labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
                put_in[f'{sample.name}{{{job},instance="{process}"{"," + labels if labels else ""}}}'] = values.format(
                    sample.value
                )
    for name in ("prometheus", "alertmanager"):
        put_in[f'{name}_config_last_reload_successful{{job="{name}",instance="{name}"}}'] = "1x300"
    return put_in


@pytest.mark.parametrize("path", sorted(RULES.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_first_deployment_alerts_nobody(path: Path, scrapes: Scrapes, tools: Tools, tmp_path: Path) -> None:
    put_in = series_of(scrapes, "{:g}x300")
    for name in [name for name in put_in if name.startswith("deskstream_source_connected")]:
        put_in[name] = "0 1x300"  # the mailbox answers within minutes
    alerts = cases.alerts_by_file(RULES)[path]
    expect = {f"{minute}m": {rule["alert"]: [] for rule in alerts if rule["alert"] != "Watchdog"} for minute in MINUTES}
    judge(tools, tmp_path, [cases.promtool_test(path, "5m", put_in, expect, alerts)])


# -- Prometheus and Alertmanager themselves --------------------------------------------------------------------------


def test_prometheus_and_alertmanager_export_what_the_alerts_read_of_them(tools: Tools, tmp_path: Path) -> None:
    config = tmp_path / "alertmanager.yaml"
    config.write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    alertmanager = Alertmanager(tools, tmp_path / "a", config)
    try:
        prometheus = Prometheus(tools, tmp_path / "p", {}, rules=[RULES / "pipeline.yaml"])
        try:
            text = _read(f"{prometheus.url}/metrics") + _read(f"http://{alertmanager.address}/metrics")
        finally:
            prometheus.stop()
    finally:
        alertmanager.stop()
    assert THEIRS
    assert {name for name in THEIRS if not re.search(rf"^{name}[ {{]", text, re.MULTILINE)} == set()
    assert re.search(r'^prometheus_rule_evaluation_failures_total\{rule_group=".*deskstream', text, re.MULTILINE)


def _read(url: str) -> str:
    with OPENER.open(urllib.request.Request(url), timeout=60) as answer:
        return str(answer.read().decode())
