"""What `slos.yaml` may say, the factors that follow from it, and the rules that are made of it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deploy.prometheus import burn, rule, slos
from deploy.prometheus.__main__ import HERE, files
from deploy.tools import Tools
from schemas import metrics
from schemas.errors import ConfigurationError
from tests.support.each import each

PLAN = slos.load()
RULES = sorted((HERE / "rules").glob("*.yaml"))
ALERTS = [
    made
    for path in RULES
    for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
    for made in group["rules"]
    if "alert" in made
]

# -- factors: the workbook's where they can happen, and never more than can -------------------------------------------


@pytest.mark.parametrize(
    ("objective", "factors"),
    [
        (0.999, [14.4, 6, 3, 1]),  # table 5-8 of the SRE workbook: 2 % in 1 h, 5 % in 6 h, 10 % in 1 d and in 3 d
        (0.99, [14.4, 6, 3, 1]),
        (0.95, [14.4, 6, 3, 1]),  # 14.4 x 5 % = 72 % of all
        (0.90, [8, 6, 3, 1]),  # 14.4 x 10 % would be 144 % of all: 80 % of all instead
        (0.80, [4, 3, 2, 1]),  # the most is 5: 80, 60, 40 and 20 % of all
    ],
)
def test_the_factors_of_an_objective(objective: float, factors: list[float]) -> None:
    assert [made.factor for made in burn.burns(objective, PLAN.windows, PLAN.period)] == pytest.approx(factors)


@given(st.floats(0.8, 0.9995))
def test_every_objective_of_80_percent_and_more_has_burns_that_can_happen_and_mean_something(objective: float) -> None:
    made = burn.burns(objective, PLAN.windows, PLAN.period)
    assert all(1 <= one.factor < burn.greatest_burn(objective) for one in made)
    assert all(one.share <= one.window.most + 1e-6 for one in made)
    assert [one.factor for one in made] == sorted({one.factor for one in made}, reverse=True)


@pytest.mark.parametrize("text", ["90s", "10m", "6h", "3d", "30d"])
def test_a_duration_is_read_and_written_alike(text: str) -> None:
    assert burn.span(burn.seconds(text) or 0) == text


# -- what is refused ----------------------------------------------------------------------------------------------


def changed(tmp_path: Path, old: str, new: str) -> Path:
    text = slos.FILE.read_text("utf-8")
    assert old in text
    path = tmp_path / "slos.yaml"
    path.write_text(text.replace(old, new, 1), "utf-8")
    return path


ANSWER = "{clock: answer, channels: [chat, phone], objective: 80, owner: support, severity: page, floor: 5}"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (ANSWER, ANSWER.replace("80", "100"), "an objective of 100 % has no budget to burn (99.9, or an absolute alert)"),
        (ANSWER, ANSWER.replace("80", "55"), "a burn of 0.889 over 1d keeps the budget of 55 %: nobody need know"),
        (ANSWER, ANSWER.replace("}", ", burn: {6h: 4.5}}"), "at 80 % the burn over 6h would be 4.5, no less than 4 over 1h"),
        (ANSWER, ANSWER.replace("80", "130"), "130 is no percentage"),
        (ANSWER, ANSWER.replace("80", "often"), "'often' is no number"),
        (ANSWER, ANSWER.replace("}", ", burn: {1h: 14.4}}"), "a burn of 14.4 over 1h is impossible at 80 %: when everything fails it is 5 "),
        (ANSWER, ANSWER.replace("}", ", burn: {3d: 0.5}}"), "a burn of 0.5 over 3d keeps the budget"),
        (ANSWER, ANSWER.replace("}", ", burn: {2h: 3}}"), "there is no window of 2h"),
        (ANSWER, ANSWER.replace("clock: answer", "clock: answers"), "'answers' is not known here (use acknowledgement, "),
        (ANSWER, ANSWER.replace("phone", "pigeon"), "'pigeon' is not known here (use email, "),
        (ANSWER, ANSWER.replace("owner: support", "owner: nobody"), "'nobody' is not known here (use support, platform)"),
        (ANSWER, ANSWER.replace("severity: page", "severity: shout"), "'shout' is not known here (use page, ticket)"),
        (ANSWER, ANSWER.replace("floor: 5", "floor: 0"), "a floor of 0 failures"),
        (ANSWER, ANSWER.replace(", floor: 5", ""), "'floor' is missing"),
        (ANSWER, ANSWER.replace("floor", "flour"), "'flour' is not known here"),
        ("channels: [chat]", "channels: [chat, chat]", "first_response of chat has an objective twice"),
        ("long: 1h, short: 5m", "long: 1h, short: 2h", "a short window of 2h in a long one of 1h in 30d"),
        ("long: 6h, short: 30m", "long: 30m, short: 5m", "is not longer than the window before it"),
        ("long: 6h, short: 30m", "long: six, short: 30m", "'six' is no duration (write 90s, 10m, 6h or 3d)"),
        ("factor: 1.5", "factor: 1", "1 times as many is no spike"),
        ("chat: 10m,", "chat: soon,", "'soon' is no duration"),
        ("tag_spike: {factor: 1.5, least: 5}", "tag_spike: 3", "is not a mapping (give factor, least)"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_with_file_line_and_reason(old: str, new: str, reason: str, tmp_path: Path) -> None:
    path = changed(tmp_path, old, new)
    with pytest.raises(ConfigurationError, match=re.escape(reason)) as refused:
        slos.load(path)
    line = int(refused.value.where.removeprefix(f"{path}:"))
    assert line == slos.FILE.read_text("utf-8").split(old)[0].count("\n") + 1 or "twice" in reason


def test_an_objective_of_100_percent_is_refused_with_its_own_line(tmp_path: Path) -> None:
    entry = "clock: answer\n    channels: [chat, phone]\n    objective: 100\n    owner: support\n    severity: page\n    floor: 5"
    with pytest.raises(ConfigurationError) as refused:
        slos.load(path := changed(tmp_path, ANSWER, entry))
    lines = path.read_text("utf-8").splitlines()
    assert refused.value.where == f"{path}:{lines.index('    objective: 100') + 1}"


# -- the rules as they are committed ------------------------------------------------------------------------------


def test_the_committed_rules_are_those_that_slos_yaml_makes() -> None:
    assert {path.name: path.read_text("utf-8") for path in RULES} == files(PLAN)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.prometheus", *arguments]
    return subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True)


def test_a_drift_is_refused_and_generating_mends_it(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    shutil.copytree(HERE / "rules", rules)
    (rules / "slo.yaml").write_text("groups: []\n")
    refused = run("--to", str(rules))
    assert refused.returncode == 2 and "slo.yaml: is not what slos.yaml makes (run make generate)" in refused.stderr
    assert run("--to", str(rules), "--write").returncode == 0
    assert run("--to", str(rules)).returncode == 0
    (rules / "mine.yaml").write_text("groups: []\n")
    assert "mine.yaml: is not made by the generator (remove it)" in run("--to", str(rules)).stderr


def test_prometheus_reads_the_rules_and_finds_nothing_to_complain_of(tools: Tools, tmp_path: Path) -> None:
    fast = tmp_path / "fast"
    assert run("--to", str(fast), "--speed", "60", "--write").returncode == 0
    for folder in (HERE / "rules", fast):
        done = subprocess.run(
            [tools.promtool, "check", "rules", *folder.glob("*.yaml")], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_rules_for_a_fast_clock_have_shorter_windows_under_the_same_names() -> None:
    text = 'expr: increase(x[1h]) - y offset 1d\n  for: 5m\n  record: "a:increase1h"\n'
    assert rule.speeded(text, 60) == (
        'expr: increase(x[60000ms]) - y offset 1440000ms\n  for: 5000ms\n  record: "a:increase1h"\n'
    )


@each("alert", ALERTS)
def test_every_alert_says_whom_it_is_for_and_what_to_do(alert: dict[str, Any]) -> None:
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url", "dashboard_url"}
    assert alert["annotations"]["runbook_url"].endswith(f"/{alert['alert']}.md")
    assert alert["labels"]["severity"] in ("page", "ticket", "none") and alert["labels"]["product"] == "deskstream"
    assert alert["labels"]["team"] == ("platform" if alert["labels"]["kind"] == "pipeline" else alert["labels"]["team"])
    assert alert["labels"]["team"] in PLAN.owners
    uid = alert["annotations"]["dashboard_url"].removeprefix(f"{PLAN.dashboards}/").partition("?")[0]
    assert (HERE.parent / "grafana" / "json" / f"{uid}.json").exists()


def test_every_metric_that_a_rule_reads_is_declared_with_the_labels_that_it_names() -> None:
    declared = {name: set(labels) for name, labels in declarations()}
    for path in RULES:
        for name, selector in re.findall(r"\b(deskstream_[a-z_0-9]+)\b(?:\{([^}]*)\})?", path.read_text("utf-8")):
            assert name in declared, f"{path.name} reads {name}, which is not in schemas/metrics.py"
            named = set(re.findall(r"(\w+)(?:=~|!~|!=|=)\"", selector))
            assert named <= declared[name], f"{name} has no label {named - declared[name]}"


def declarations() -> list[tuple[str, tuple[str, ...]]]:
    found = []
    for metric in vars(metrics).values():
        if hasattr(metric, "_labelnames"):
            suffix = "_total" if metric._type == "counter" else ""
            found.append((metric._name + suffix, metric._labelnames))
    return [*found, ("deskstream_contacts_", ())]
