"""Holds rules as values, and writes groups of them as files for Prometheus."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from deploy.prometheus.burn import seconds

__all__ = ["Alert", "Group", "Record", "counted", "either", "running", "speeded", "text"]

SERVICE, OPERATIONS = "deskstream-service", "deskstream-operations"
PRODUCT = "deskstream"


@dataclass(frozen=True, slots=True)
class Record:
    """A recording rule."""

    name: str
    expr: str
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alert:
    """An alerting rule.

    `kind` is slo, service (both: customers wait) or pipeline; alerts of the last inhibit the first. `wait` is how long
    the expression must hold. `dashboard` is the uid of a Grafana dashboard. `extra` are further labels.
    """

    name: str
    expr: str
    wait: str
    severity: str
    team: str
    kind: str
    summary: str
    description: str
    dashboard: str
    extra: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """Holds rules that are evaluated one after the other; an empty `interval` is the server's own."""

    name: str
    rules: Sequence[Record | Alert]
    interval: str = ""


def counted(counter: str, window: str) -> str:
    """Returns the query of how much each series of a counter rose in the window, counting new series from 0.

    `increase` needs two samples and so never sees the event that makes a series: with few contacts and labels such as
    policy and priority that is often the only one. A series that was not there a window ago therefore counts in full,
    if it is certain that it did not exist: its process was scraped then, or was started since. After an outage of Prometheus
    nothing is certain, and `increase` counts what it saw.
    """
    length = seconds(window)
    known = f"up offset {window} == 1 or process_start_time_seconds > time() - {length}"
    return f"({counter} unless {counter} offset {window} and on (job, instance) ({known})) or increase({counter}[{window}])"


def running(length: int) -> str:
    """Returns the query of the processes that have run for so many seconds: their counters were not reset since."""
    return f"process_start_time_seconds < time() - {length}"


def either(*parts: tuple[str, str]) -> str:
    """Returns the union of `(name, expression)` pairs, with a label `of`, so that no part hides another's series."""
    return "\nor\n".join(f'label_replace({expr}, "of", "{name}", "", "")' for name, expr in parts)


def document(groups: Sequence[Group], runbooks: str, dashboards: str) -> dict[str, Any]:
    """Returns the content of one file of rules."""
    return {"groups": [_group(group, runbooks, dashboards) for group in groups]}


def _group(group: Group, runbooks: str, dashboards: str) -> dict[str, Any]:
    written: dict[str, Any] = {"name": group.name}
    if group.interval:
        written["interval"] = group.interval
    written["rules"] = [
        _alert(rule, runbooks, dashboards) if isinstance(rule, Alert) else _record(rule) for rule in group.rules
    ]
    return written


def _record(rule: Record) -> dict[str, Any]:
    return {"record": rule.name, "expr": rule.expr, **({"labels": rule.labels} if rule.labels else {})}


def _alert(rule: Alert, runbooks: str, dashboards: str) -> dict[str, Any]:
    labels = {"severity": rule.severity, "team": rule.team, "kind": rule.kind, "product": PRODUCT, **rule.extra}
    return {
        "alert": rule.name,
        "expr": rule.expr,
        **({"for": rule.wait} if rule.wait else {}),
        "labels": labels,
        "annotations": {
            "summary": rule.summary,
            "description": rule.description,
            "runbook_url": f"{runbooks}/{rule.name}.md",
            "dashboard_url": f"{dashboards}/{rule.dashboard}",
        },
    }


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _string(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _string)


def text(content: Any, source: str) -> str:
    """Returns YAML, with a first line that names its source."""
    body = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
    return f"# Made from {source} by `make generate`; do not edit.\n{body}"


_DURATION = re.compile(r"(\[|offset )(\d+)([smhd])\b")
_WAIT = re.compile(r"^(\s+(?:- )?(?:for|interval): )(\d+)([smhd])$", re.MULTILINE)
_AGO = re.compile(r"(process_start_time_seconds [<>] time\(\) - )(\d+)")


def speeded(rules: str, speed: float) -> str:
    """Returns the rules for a pipeline whose clock runs `speed` times as fast, with shorter windows, offsets and waits."""

    def shorter(match: re.Match[str]) -> str:
        length = int(match[2]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[match[3]]
        return f"{match[1]}{max(1, round(length * 1000 / speed))}ms"

    def sooner(match: re.Match[str]) -> str:
        return f"{match[1]}{int(match[2]) / speed:.6g}"

    return _AGO.sub(sooner, _WAIT.sub(shorter, _DURATION.sub(shorter, rules)))
