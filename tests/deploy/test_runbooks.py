"""Every alert has a runbook with all its sections, whose SQL, PromQL and commands are real."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Gauge

from deploy.grafana.boards import boards
from deploy.grafana.panels import Prom
from deploy.grafana.panels import queries as panel_queries
from deploy.prometheus import cases
from deploy.tools import Tools
from schemas import metrics
from tests.support.each import each

RULES = Path(cases.__file__).parent / "rules"
ROOT = RULES.parents[2]
WIDE = {**os.environ, "COLUMNS": "200", "TERM": "dumb"}
RUNBOOKS = sorted((RULES.parents[1] / "runbooks").glob("*.md"))
SECTIONS = ["What it means", "Who is hurt", "First three commands", "How to verify recovery"]
every_runbook = pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)


def blocks(path: Path, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)\n```$", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    alerts = {rule["alert"] for rules in cases.alerts_by_file(RULES).values() for rule in rules}
    assert {path.stem for path in RUNBOOKS} == alerts


@every_runbook
def test_a_runbook_has_its_sections_with_three_commands_and_one_to_verify(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.startswith(f"# {path.stem}\n")
    titles, bodies = zip(*re.findall(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL), strict=True)
    assert list(titles) == SECTIONS
    assert [len(re.findall(r"^```\w+$", body, re.MULTILINE)) for body in bodies] == [0, 0, 3, 1]
    assert re.findall(r"^(\d)\. ", bodies[2], re.MULTILINE) == ["1", "2", "3"]


@every_runbook
def test_each_command_says_what_is_healthy_and_what_to_do_otherwise(path: Path) -> None:
    """Below every block: one line `Healthy: ...`, then at least one `If (you see) X: do Y`."""
    pieces = re.split(r"^```\w+\n.*?\n```$", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for below in pieces[1:]:
        answers = re.match(r"\n+((?:(?:- |  )\S.*\n)+)", below)
        assert answers, f"nothing stands below a command: {below[:60]!r}"
        lines = re.findall(r"^- (.*(?:\n  .*)*)", answers[1], re.MULTILINE)
        assert lines[0].startswith("Healthy: ")
        assert lines[1:]
        assert all(re.match(r"If .+: \S", line, re.DOTALL) for line in lines[1:])


@every_runbook
def test_a_runbook_links_pages_that_exist(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", path.read_text("utf-8"))
    assert [target for target in targets if not (path.parent / target).is_file()] == []


def test_prometheus_can_parse_every_query(tools: Tools, tmp_path: Path) -> None:
    queries = [query for path in RUNBOOKS for query in blocks(path, "promql")]
    rules = [{"record": "x", "expr": query, "labels": {"n": str(number)}} for number, query in enumerate(queries)]
    (tmp_path / "queries.yaml").write_text(yaml.safe_dump({"groups": [{"name": "runbooks", "rules": rules}]}))
    done = subprocess.run([tools.promtool, "check", "rules", tmp_path / "queries.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    recorded = {rule["record"] for path in RULES.glob("*.yaml") for group in yaml.safe_load(path.read_text())["groups"]
                for rule in group["rules"] if "record" in rule}  # fmt: skip
    assert {name for query in queries for name in re.findall(r"\bdeskstream:[\w:]+", query)} <= recorded


def test_no_query_takes_the_least_of_what_every_process_shows() -> None:
    """A gauge without labels is 0 in every process that never sets it: its least is 0, and says nothing."""
    everywhere = [each for each in vars(metrics).values() if isinstance(each, Gauge) and not each._labelnames]
    names = "|".join(next(iter(gauge.describe())).name for gauge in everywhere)
    queries = [query for path in RUNBOOKS for query in blocks(path, "promql")]
    queries += [rule["expr"] for path in RULES.glob("*.yaml") for group in yaml.safe_load(path.read_text())["groups"]
                for rule in group["rules"]]  # fmt: skip
    queries += [query.expr for _, _, query in panel_queries(boards()) if isinstance(query, Prom)]
    assert not [
        query for query in queries if re.search(rf"\b(min|avg|count)\b[^()]*(\([\w, ]*\) *)?\(({names})\b", query)
    ]


# -- SQL ----------------------------------------------------------------------------------------------------------


@pytest.mark.stack
@pytest.mark.parametrize("path", [path for path in RUNBOOKS if blocks(path, "sql")], ids=lambda path: path.stem)
def test_clickhouse_can_run_every_statement(path: Path, migrated: Any) -> None:
    for statement in blocks(path, "sql"):
        migrated.query(statement)


# -- commands -----------------------------------------------------------------------------------------------------


def command_lines() -> list[list[str]]:
    """Those in the blocks, and those of ours that a sentence names."""
    lines = [line for path in RUNBOOKS for block in blocks(path, "sh") for line in block.splitlines()]
    lines += [line for path in RUNBOOKS for line in re.findall(r"`(python -m [^`]+)`", path.read_text("utf-8"))]
    return [shlex.split(line) for line in sorted(set(lines))]


@each("words", command_lines())
def test_every_command_is_one_that_exists(words: list[str]) -> None:
    if words[:2] == ["python", "-m"]:
        ours = [word for word in words[2:] if re.fullmatch(r"[a-z_.]+", word)]  # module and subcommands
        done = subprocess.run(
            [sys.executable, "-m", *ours, "--help"], cwd=ROOT, env=WIDE, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert all(option in done.stdout for option in words if option.startswith("--"))
    elif words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    elif words[0] == "kubectl":
        assert words[1:3] == ["--namespace", "deskstream"] or "-A" in words, "whoever is paged has another namespace"
        if "logs" in words:
            assert any(word.startswith("--tail=") for word in words), "by a selector kubectl shows ten lines"
            assert "--previous" not in words or "--ignore-errors" in words, "not every pod has a container before"
    else:
        assert words[0] == "amtool"
        assert (ROOT / words[-1]).exists()
