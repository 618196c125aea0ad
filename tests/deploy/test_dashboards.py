"""The dashboards: current, made of metrics and tables that exist, and readable."""

from __future__ import annotations

import json
import re

import pytest
from prometheus_client import Counter, Gauge, Histogram

from deploy.grafana.boards import JSON, boards, stale
from deploy.grafana.panels import Prom, Sql, queries
from schemas import metrics
from tests.conftest import ROOT
from tests.support.each import each

EVERY = [pytest.param(query, id=f"{board.uid}/{panel.title}") for board, panel, query in queries(boards())]
_METRIC = re.compile(r"\b(deskstream_\w+|process_\w+|up)\b")
_OF_EVERY_PROCESS = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}


def exported() -> set[str]:
    """Every series name that our processes can have."""
    declared = [each for each in vars(metrics).values() if isinstance(each, Counter | Gauge | Histogram)]
    families = [family for metric in declared for family in metric.describe()]
    return {name for family in families for name in _samples(family.name, family.type)} | _OF_EVERY_PROCESS


def _samples(name: str, kind: str) -> list[str]:
    if kind == "histogram":
        return [f"{name}_bucket", f"{name}_sum", f"{name}_count"]
    return [f"{name}_total"] if kind == "counter" else [name]


def test_the_files_are_what_the_code_says():
    assert stale() == [], "run `make generate`"


def test_every_file_is_a_dashboard_of_ours_that_grafana_can_provision():
    for path in JSON.glob("*.json"):
        board = json.loads(path.read_text("utf-8"))
        assert board["uid"] == path.stem and board["schemaVersion"] >= 36
        panels = [panel for panel in board["panels"] if panel["type"] != "row"]
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
        assert all(panel["targets"] and panel["description"] for panel in panels)


def test_an_alert_that_a_panel_names_has_a_runbook():
    named = {name for board in boards() for row in board.rows for panel in row.panels
             for name in re.findall(r"(\w+)'s runbook", panel.why)}  # fmt: skip
    assert named
    assert named <= {path.stem for path in (ROOT / "deploy" / "runbooks").glob("*.md")}


def test_panels_stand_beside_each_other_and_not_on_each_other():
    for path in JSON.glob("*.json"):
        taken: set[tuple[int, int]] = set()
        for panel in json.loads(path.read_text("utf-8"))["panels"]:
            place = panel["gridPos"]
            cells = {(place["x"] + dx, place["y"] + dy) for dx in range(place["w"]) for dy in range(place["h"])}
            assert not cells & taken, f"{path.name}: {panel['title']}"
            assert place["x"] + place["w"] <= 24
            taken |= cells


@each("query", [asked.values[0] for asked in EVERY if isinstance(asked.values[0], Prom)])
def test_a_query_to_prometheus_names_metrics_that_are_declared(query: Prom):
    named = set(_METRIC.findall(re.sub(r"deskstream\.\*", "", query.expr)))
    assert named and named <= exported()


@pytest.mark.parametrize("query", [each for each in EVERY if isinstance(each.values[0], Sql)])
def test_a_query_to_clickhouse_with_a_time_axis_is_in_the_order_of_time(query: Sql):
    assert not query.series or query.sql.rstrip().endswith("ORDER BY time")
