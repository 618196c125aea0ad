"""Expands short test cases into promtool's unit tests: `tests/<Alert>.yaml` has the input and the expected alerts.

    cases:
      - name: what happens
        interval: 1m                 # of samples and evaluations; 1m unless said
        series: {'metric{label="value"}': promtool's notation}
        expect:
          10m: []                    # nothing fires
          20m: [{severity: page, channel: chat, value: 12m 0s}]

An expected alert gives the labels of its series, the `value` as its summary shows it, and the labels of its rule that
distinguish it from others of the same name. Owner, runbook and texts, which are the same for each alert of a rule, are added
here: promtool compares all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

__all__ = ["alerts_by_file", "expanded", "promtool_test"]

_PROCESS, _OF_EVERY_PROCESS, _SAMPLES = (
    re.compile(r'\b(job|instance)="([^"]*)"'),
    ("up", "process_start_time_seconds"),
    10_000,
)
_LABEL, _VALUE = re.compile(r"\{\{ \$labels\.(\w+) \}\}"), re.compile(r"\{\{ \$value[^}]*\}\}")


def alerts_by_file(rules: Path) -> dict[Path, list[dict[str, Any]]]:
    """Returns the alerting rules of each file of a folder."""
    return {
        path: [rule for group in yaml.safe_load(path.read_text("utf-8"))["groups"] for rule in group["rules"] if "alert" in rule]
        for path in sorted(rules.glob("*.yaml"))
    }  # fmt: skip


def expanded(case_file: Path, rules: Path) -> list[dict[str, Any]]:
    """Returns one promtool test file for every case of a file, whose name is that of its alert."""
    name = case_file.stem
    path, alerts = next((p, a) for p, a in alerts_by_file(rules).items() if any(rule["alert"] == name for rule in a))
    alerts = [rule for rule in alerts if rule["alert"] == name]
    tests = []
    written = yaml.load(case_file.read_text("utf-8"), yaml.BaseLoader)  # noqa: S506 - all strings: `0x10` is no number
    for case in written["cases"]:
        expect = {at: {name: fires} for at, fires in case["expect"].items()}
        tests.append(promtool_test(path, case.get("interval", "1m"), case["series"], expect, alerts))
    return tests


def promtool_test(
    rules: Path,
    interval: str,
    series: Mapping[str, str],
    expect: Mapping[str, Mapping[str, Sequence[Mapping[str, str]]]],
    alerts: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """Returns one test file; `expect` holds the firing alerts by time and name.

    Without an order promtool evaluates groups by chance, and an alert may see the record of the evaluation before.
    """
    return {
        "rule_files": [str(rules)],
        "evaluation_interval": interval,
        "group_eval_order": [group["name"] for group in yaml.safe_load(rules.read_text("utf-8"))["groups"]],
        "tests": [
            {
                "interval": interval,
                "input_series": [
                    {"series": name, "values": values} for name, values in {**_processes(series), **series}.items()
                ],
                "alert_rule_test": [
                    {
                        "eval_time": at,
                        "alertname": name,
                        "exp_alerts": [_whole(dict(one), name, alerts) for one in fires],
                    }
                    for at, by_name in expect.items()
                    for name, fires in by_name.items()
                ],
            }
        ],
    }


def _processes(series: Mapping[str, str]) -> dict[str, str]:
    """Returns what Prometheus knows of each process whose series a test gives: it answers, and has run since minute 0.

    A case about a restart or an outage of Prometheus gives its own.
    """
    named = {",".join(f'{label}="{value}"' for label, value in _PROCESS.findall(name)) for name in series}
    given = [name for name in series if name.startswith(_OF_EVERY_PROCESS)]
    return {
        f"{metric}{{{process}}}": f"{value}x{_SAMPLES}"
        for process in sorted(named)
        for metric, value in zip(_OF_EVERY_PROCESS, (1, 0), strict=True)
        if not any(name.startswith(f"{metric}{{") and process in name for name in given)
    }


def _whole(expected: dict[str, str], name: str, alerts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    value = str(expected.pop("value", ""))
    rule = _rule_of(expected, name, alerts)
    labels = {**expected, **rule["labels"]}

    def said(text: str) -> str:
        return _VALUE.sub(value, _LABEL.sub(lambda match: str(labels.get(match[1], "")), text))

    annotations = {key: said(text) for key, text in rule["annotations"].items()}
    return {"exp_labels": {key: str(label) for key, label in labels.items()}, "exp_annotations": annotations}


def _rule_of(expected: Mapping[str, str], name: str, alerts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    named = [rule for rule in alerts if rule["alert"] == name]
    fits = [rule for rule in named if all(expected.get(key, label) == label for key, label in rule["labels"].items())]
    if len(fits) != 1:
        raise ValueError(f"{len(fits)} rules of {name} fit {dict(expected)}: give severity, slo or limit")
    return fits[0]
