"""The running pipeline, watched by the real Prometheus and Alertmanager: panels show something, and the page arrives.

One pipeline at 120 times the speed for all tests of this file, in their order: first the staff work, then they stop
answering, then they come back; and all that time there was something to show. Windows and waits of the rules are
shortened by the same factor.
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana.boards import boards
from deploy.grafana.panels import Panel, Prom, Sql, queries
from deploy.local.pipeline import ROOT, Pipeline, Plan
from deploy.prometheus.rule import speeded
from deploy.tools import install
from schemas.clock import from_micros
from schemas.errors import Unavailable
from sinks.clickhouse import connection
from tests.support.deploy.monitoring import Alertmanager, Prometheus, Receiver, await_that

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]
SPEED = 120.0
DAY_STARTS = 1_772_445_600_000_000  # Monday 2026-03-02 10:00 UTC: everybody is at work
CONTACTS_PER_DAY = 5_000


@dataclass(frozen=True)
class Watched:
    pipeline: Pipeline
    prometheus: Prometheus
    receiver: Receiver


@pytest.fixture(scope="module")
def watched(stack, tmp_path_factory) -> Iterator[Watched]:
    try:
        tools = install()
    except Unavailable as reason:
        pytest.skip(f"no Prometheus: {reason}")
    home: Path = tmp_path_factory.mktemp("watched")
    name = f"w{uuid.uuid4().hex[:8]}"
    environ = {
        "DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS": stack.kafka_bootstrap_servers,
        "DESKSTREAM_CLICKHOUSE_URL": stack.clickhouse_url,
        "DESKSTREAM_NAMESPACE": f"{name}-",
        "DESKSTREAM_CLICKHOUSE_DATABASE": name,
    }
    simulate = ("--contacts-per-day", str(CONTACTS_PER_DAY), "--start", from_micros(DAY_STARTS).isoformat())
    plan = Plan(home / "data", speed=SPEED, start=DAY_STARTS, simulate=simulate, environ=environ)
    with ExitStack() as stopping:
        receiver = Receiver()
        stopping.callback(receiver.stop)
        alertmanager = Alertmanager(tools, home / "alertmanager", _routes(home / "alertmanager", receiver.url))
        stopping.callback(alertmanager.stop)
        pipeline = stopping.enter_context(Pipeline(plan))
        prometheus = Prometheus(
            tools,
            home / "prometheus",
            pipeline.metrics,
            rules=_rules(home / "rules"),
            alertmanager=alertmanager.address,
            scraped="1s",
            evaluated="500ms",
        )
        stopping.callback(prometheus.stop)
        client = connection.connect(pipeline.settings())
        answered = "SELECT count() FROM surveys"
        await_that(lambda: client.query(answered).first_row[0] > 5, 240, "customers answer surveys")
        yield Watched(pipeline, prometheus, receiver)


def _rules(home: Path) -> list[Path]:
    """The committed rules, for a clock that runs so much faster."""
    home.mkdir()
    for path in sorted((ROOT / "deploy/prometheus/rules").glob("*.yaml")):
        (home / path.name).write_text(speeded(path.read_text("utf-8"), SPEED))
    return sorted(home.glob("*.yaml"))


def _routes(home: Path, url: str) -> Path:
    """The committed configuration: routes and templates as they are; every receiver is the test's webhook.

    So is what holds back what, but for one: at this speed a second in which the machine has other work is a pipeline that
    is two minutes late, and no page of the desk would be sent (`test_alertmanager.py` has that).
    """
    source = ROOT / "deploy/alertmanager"
    shutil.copytree(source / "templates", home / "templates")
    config: dict[str, Any] = yaml.safe_load((source / "alertmanager.yaml").read_text("utf-8"))
    webhook = [{"url": url, "send_resolved": True}]
    config["receivers"] = [{"name": each["name"], "webhook_configs": webhook} for each in config["receivers"]]
    config["inhibit_rules"] = [
        rule for rule in config["inhibit_rules"] if 'late = "yes"' not in rule["source_matchers"]
    ]
    _at_once(config["route"])
    (home / "alertmanager.yaml").write_text(yaml.safe_dump(config))
    return home / "alertmanager.yaml"


def _at_once(route: dict[str, Any]) -> None:
    """Nobody waits for company: at this speed half a minute is an hour."""
    route |= {"group_wait": "0s", "group_interval": "1s", "repeat_interval": "5s"}
    for inner in route.get("routes", ()):
        _at_once(inner)


# -- pages --------------------------------------------------------------------------------------------------------

PAGES = ("FirstResponseBurn", "LongestWaitTooLong")


def test_when_agents_stop_answering_the_desk_is_paged_and_told_when_they_are_back(watched: Watched):
    """Promises break because people are away, not because the pipeline is late."""
    absent, receiver = watched.pipeline.places.absent, watched.receiver

    def chat(name: str, status: str) -> list[dict[str, Any]]:
        return [
            alert
            for told, alert in receiver.of(name, status)
            if told == "support-pager" and alert["labels"].get("channel") == "chat"
        ]

    firing = f'ALERTS{{alertname=~"{"|".join(PAGES)}",channel="chat",severity="page",alertstate="firing"}}'
    await_that(lambda: not watched.prometheus.query(firing), 240, "the desk keeps its promises while people are there")
    receiver.alerts.clear()
    absent.touch()
    for name in PAGES:
        alert = await_that(lambda name=name: chat(name, "firing"), 240, f"{name} of chat at the pager of support")[0]
        assert alert["annotations"]["runbook_url"].endswith(f"/{name}.md")
        assert alert["labels"]["severity"] == "page"
    receiver.alerts.clear()
    absent.unlink()
    for name in PAGES:
        await_that(lambda name=name: chat(name, "resolved"), 240, f"{name} of chat is over")
    watched.pipeline.poll()  # raises if a server ended meanwhile
    assert not [process.name for process in watched.pipeline.processes() if process.restarts]


def test_the_watchdog_barks_again_and_again(watched: Watched):
    told = await_that(lambda: watched.receiver.of("Watchdog", "firing"), 240, "the Watchdog's call")
    assert told[0][0] == "watchdog"


# -- dashboards ---------------------------------------------------------------------------------------------------

EVERY = [pytest.param(panel, query, id=f"{board.uid}/{panel.title}") for board, panel, query in queries(boards())]
_CHOICES = {"$channel": ".*", "$team": ".*", "$__rate_interval": "5s", "$__range": "30s", "[1h]": "[30s]"}


@pytest.mark.parametrize(("panel", "query"), [each for each in EVERY if isinstance(each.values[1], Prom)])
def test_a_panel_of_prometheus_shows_something(watched: Watched, panel: Panel, query: Prom):
    expression = query.expr
    for variable, value in _CHOICES.items():
        expression = expression.replace(variable, value)
    await_that(lambda: watched.prometheus.query(expression), 120, f"{panel.title}: {expression}")


@pytest.mark.parametrize(("panel", "query"), [each for each in EVERY if isinstance(each.values[1], Sql)])
def test_a_panel_of_clickhouse_shows_something(watched: Watched, panel: Panel, query: Sql):
    client = connection.connect(watched.pipeline.settings())
    sql = _expanded(query.sql)
    rows = await_that(lambda: client.query(sql).result_rows, 120, f"{panel.title}: {sql}")
    assert len(rows[0]) >= 2 or not query.series


def _expanded(sql: str) -> str:
    """The plugin's macros, for all of the simulated time."""
    since, until = DAY_STARTS - 86_400_000_000, DAY_STARTS + 30 * 86_400_000_000
    span = f"BETWEEN fromUnixTimestamp64Micro({since}) AND fromUnixTimestamp64Micro({until})"
    sql = re.sub(r"\$__timeFilter\((\w+)\)", rf"(\1 {span})", sql)
    return re.sub(r"\$__timeInterval\((\w+)\)", r"toStartOfInterval(\1, INTERVAL 5 MINUTE)", sql)
