"""Who is told: the configuration as amtool reads it, the way of every alert, and inhibition by the real Alertmanager."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.process import free_ports
from deploy.prometheus import cases
from deploy.tools import Tools
from tests.support.timeouts import eventually

FOLDER = Path(cases.__file__).parents[1] / "alertmanager"
CONFIG = FOLDER / "alertmanager.yaml"
ROUTES = yaml.safe_load(CONFIG.read_text("utf-8"))["route"]["routes"][0]["routes"]
ALERTS = sorted(
    {
        (rule["alert"], rule["labels"]["team"], rule["labels"]["severity"])
        for rules in cases.alerts_by_file(Path(cases.__file__).parent / "rules").values()
        for rule in rules
    }
)
RECEIVERS = {
    ("platform", "page"): "platform-pager",
    ("platform", "ticket"): "platform-tickets",
    ("support", "page"): "support-pager",
    ("support", "ticket"): "support-tickets",
    ("platform", "none"): "watchdog",
}


def amtool(tools: Tools, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([tools.amtool, *arguments], capture_output=True, text=True)


def test_amtool_finds_nothing_wrong_with_the_configuration(tools: Tools) -> None:
    done = amtool(tools, "check-config", CONFIG)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("name", "team", "severity"), ALERTS)
def test_every_alert_goes_to_its_team_by_its_severity(name: str, team: str, severity: str, tools: Tools) -> None:
    labels = ("product=deskstream", f"alertname={name}", f"team={team}", f"severity={severity}")
    done = amtool(tools, "config", "routes", "test", "--config.file", CONFIG, *labels)
    assert done.stdout.strip() == RECEIVERS[team, severity]


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["alertname=Other"], "unrouted"),
        (["product=deskstream", "alertname=New", "team=nobody", "severity=page"], "platform-tickets"),
        (["product=deskstream", "alertname=New", "team=support", "severity=odd"], "platform-tickets"),
    ],
)
def test_an_alert_that_no_route_knows_reaches_somebody(labels: list[str], receiver: str, tools: Tools) -> None:
    done = amtool(tools, "config", "routes", "test", "--config.file", CONFIG, *labels)
    assert done.stdout.strip() == receiver


def test_quiet_hours_hold_back_tickets_and_never_a_page() -> None:
    quiet = {route["receiver"] for route in ROUTES if route.get("mute_time_intervals")}
    assert quiet == {"platform-tickets", "support-tickets"}


def told(tools: Tools, template: str, data: Path) -> str:
    glob = f"--template.glob={FOLDER / 'templates' / '*.tmpl'}"
    text = f'--template.text={{{{ template "deskstream.{template}" . }}}}'
    done = amtool(tools, "template", "render", glob, text, f"--template.data={data}")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_message_says_what_where_since_when_and_what_to_do(tools: Tools, tmp_path: Path) -> None:
    alert = {
        "status": "firing",
        "labels": {"alertname": "AnswerBurn", "channel": "chat"},
        "annotations": {
            "summary": "chat: 90% of calls and chats were not answered in time",
            "description": "The objective is 80 %.",
            "runbook_url": "https://runbooks.example/AnswerBurn.md",
            "dashboard_url": "https://grafana.example/d/x",
        },
        "startsAt": "2026-11-25T10:00:00Z",
    }
    common = {"alertname": "AnswerBurn", "channel": "chat", "kind": "slo"}
    data = tmp_path / "data.json"
    data.write_text(json.dumps({"status": "firing", "alerts": [alert, alert], "commonLabels": common}))
    assert told(tools, "title", data) == "AnswerBurn on chat (2)"
    assert told(tools, "kind", data) == "customers wait"
    assert told(tools, "runbook", data) == "https://runbooks.example/AnswerBurn.md"
    assert told(tools, "text", data).splitlines()[:3] == [
        "chat: 90% of calls and chats were not answered in time",
        "The objective is 80 %.",
        "Since 2026-11-25 10:00 UTC. Figures: https://grafana.example/d/x",
    ]
    data.write_text(
        json.dumps({"status": "resolved", "alerts": [{**alert, "status": "resolved"}], "commonLabels": common})
    )
    assert told(tools, "title", data) == "Over: AnswerBurn on chat"


# -- inhibition, by the real Alertmanager ---------------------------------------------------------------------------


class Alertmanager:
    def __init__(self, url: str) -> None:
        self.url = url
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(f"{self.url}{path}", headers={"Content-Type": "application/json"})
        if body is not None:
            request.data = json.dumps(body).encode()
        with self._opener.open(request, timeout=60) as answer:
            return json.loads(answer.read() or "null")

    def ready(self) -> bool:
        try:
            return bool(self.call("/api/v2/status"))
        except OSError:
            return False

    def post(self, *alerts: dict[str, str]) -> None:
        self.call("/api/v2/alerts", [{"labels": {"product": "deskstream", **labels}} for labels in alerts])

    def await_suppressed(self, expected: set[str]) -> None:
        """Wait until exactly these alerts, by their label `id`, are held back because of another."""
        eventually(lambda: self._suppressed() == expected, f"that {expected} are held back")

    def _suppressed(self) -> set[str]:
        alerts = self.call("/api/v2/alerts")
        return {alert["labels"]["id"] for alert in alerts if alert["status"]["inhibitedBy"]}


@contextmanager
def running(tools: Tools, directory: Path) -> Iterator[Alertmanager]:
    (port,) = free_ports(1)
    command = [
        *(tools.alertmanager, f"--config.file={CONFIG}", f"--storage.path={directory}", "--cluster.listen-address="),
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (directory / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            alertmanager = Alertmanager(f"http://127.0.0.1:{port}")
            eventually(lambda: alertmanager.ready() or process.poll() is not None, "that it is ready")
            assert process.poll() is None, (directory / "log").read_text()
            yield alertmanager
        finally:
            process.kill()


def test_one_cause_is_one_page(tools: Tools, tmp_path: Path) -> None:
    burn = {"kind": "slo", "alertname": "AnswerBurn", "slo": "answer-chat", "channel": "chat", "team": "support"}
    with running(tools, tmp_path) as alertmanager:
        page, ticket = burn | {"id": "page", "severity": "page"}, burn | {"id": "ticket", "severity": "ticket"}
        other = burn | {"id": "other", "severity": "ticket", "slo": "answer-phone", "channel": "phone"}
        vip = {"id": "vip", "kind": "service", "alertname": "VipSlaBreached", "severity": "page", "team": "support"}
        alertmanager.post(page, ticket, other, vip)
        alertmanager.await_suppressed({"ticket"})  # a page says what its ticket would

        late = {"late": "yes", "alertname": "NoCommit", "severity": "page", "team": "platform", "kind": "pipeline"}
        sink = {"alertname": "SinkPaused", "severity": "page", "sink": "clickhouse", "kind": "pipeline"}
        behind = {"alertname": "SinkLagging", "severity": "ticket", "kind": "pipeline"}
        alertmanager.post(
            late | {"id": "staging", "namespace": "staging"},
            sink | {"id": "paused"},
            behind | {"id": "behind", "sink": "clickhouse"},
            behind | {"id": "delivery", "sink": "delivery"},
        )
        alertmanager.await_suppressed({"ticket", "behind"})  # what is late elsewhere does not concern us

        lagging = late | {"id": "lagging", "agent": "tickets", "alertname": "ProcessorLagging"}
        routing = late | {"id": "routing", "agent": "routing", "alertname": "ProcessorLagging"}
        alertmanager.post(late | {"id": "late", "agent": "tickets"}, lagging, routing)
        # while the pipeline is late no burn pages; a VIP's breach does
        alertmanager.await_suppressed({"ticket", "behind", "page", "other", "lagging"})
