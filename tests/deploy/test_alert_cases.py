"""Every alert fires, does not fire, and resolves when it should: promtool over `deploy/prometheus/tests` and over all SLOs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.prometheus import cases, slos
from deploy.prometheus.slo_rules import alert_name
from deploy.tools import Tools

HERE = Path(cases.__file__).parent
RULES, TESTS = HERE / "rules", sorted((HERE / "tests").glob("*.yaml"))
ALERTS = [rule for rules in cases.alerts_by_file(RULES).values() for rule in rules]
BURNS = {alert_name(clock) for clock in (*slos.CLOCKS, slos.CSAT)}


def judge(tools: Tools, directory: Path, tests: list[dict[str, Any]]) -> None:
    paths = [directory / f"{number}.yaml" for number, _ in enumerate(tests)]
    for path, test in zip(paths, tests, strict=True):
        path.write_text(yaml.safe_dump(test, sort_keys=False, allow_unicode=True), "utf-8")
    lazily = {**os.environ, "GOGC": "800"}  # half of promtool's time would be the collection of garbage
    done = subprocess.run([tools.promtool, "test", "rules", *paths], env=lazily, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rules without what no alert reads (it costs half the time): the budget of 30 days, and the objectives."""
    folder = tmp_path_factory.mktemp("rules")
    for path in RULES.glob("*.yaml"):
        content = yaml.safe_load(path.read_text("utf-8"))
        unread = ("deskstream-sla-30d", "deskstream-objectives")
        content["groups"] = [group for group in content["groups"] if group["name"] not in unread]
        (folder / path.name).write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    return folder


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_an_alert_fires_and_resolves_as_its_cases_say(path: Path, rules: Path, tools: Tools, tmp_path: Path) -> None:
    judge(tools, tmp_path, cases.expanded(path, rules))


def test_the_budget_that_is_left_is_what_the_failures_of_the_period_have_not_used(tools: Tools, tmp_path: Path) -> None:
    """5 of 100 failed where 10 % may: half is left. 3 of 10 failed where 20 % may: minus a half."""
    labels = 'policy="p",team="a",priority="low"'
    put_in = {
        f'deskstream_sla_met_total{{clock="first_response",channel="chat",{labels}}}': "0 95x5",
        f'deskstream_sla_breached_total{{clock="first_response",channel="chat",{labels}}}': "_ 5x5",
        'deskstream_csat_answers_total{channel="sms",team="a",score="5"}': "0 7x5",
        'deskstream_csat_answers_total{channel="sms",team="a",score="1"}': "0 3x5",
    }
    test = cases.promtool_test(RULES / "slo.yaml", "5m", put_in, {}, ALERTS)
    left = {"first_response-chat": 0.5, "csat-sms": -0.5}
    test["tests"][0]["promql_expr_test"] = [
        {"expr": f'round(sum(deskstream:slo_budget_left:ratio{{slo="{slo}"}}), 0.001)', "eval_time": "15m",
         "exp_samples": [{"labels": "{}", "value": value}]}
        for slo, value in left.items()
    ]  # fmt: skip
    judge(tools, tmp_path, [test])


def test_every_alert_has_cases_in_which_it_fires_does_not_fire_and_resolves() -> None:
    found = {path.stem: yaml.safe_load(path.read_text("utf-8"))["cases"] for path in TESTS}
    assert {rule["alert"] for rule in ALERTS} - BURNS <= set(found)  # all burns: below
    for name, listed in found.items():
        if name == "Watchdog":  # has one state only
            continue
        states = ["".join("f" if fires else "-" for fires in case["expect"].values()) for case in listed]
        assert any(state.startswith("-") for state in states), f"{name}: a case that begins before it fires"
        assert any("f-" in state for state in states), f"{name}: a case in which it resolves"


# -- every SLO at once: 6 hours without a failure, 250 minutes with nothing else, 6 hours without. 2 clocks in five minutes --
#
# After m minutes of failures, of 2 clocks in five minutes each (the floor is 5, for acknowledgements and resolutions 10):
#   m   failures  of one hour  of all so far, which is what one day and three days see
#   20      8        33.33 %     20 / 380  =  5.263 %
#   45     18        75 %        45 / 405  = 11.11 %
#   70     28       100 %        70 / 430  = 16.28 %
#  250    100       100 %       250 / 610  = 40.98 %
# and 70 minutes after the last: no failure in an hour, 50 of the last 120 minutes were bad, 250 / 680 = 36.76 %.

START = 6 * 60
MINUTES = (20, 45, 70, 250, 320, 620)
#: objective → the page's value at each of these minutes; before it, in percent, the shares of 1 h and 6 h that page
PAGES = {
    0.99: ("", "75%", "100%", "100%", "", ""),  # 14.4, 6
    0.95: ("", "75%", "100%", "100%", "", ""),  # 72, 30
    0.90: ("", "", "100%", "100%", "", ""),  # 80, 60
    0.85: ("", "", "100%", "100%", "", ""),  # 80, 60
    0.80: ("", "", "100%", "100%", "", ""),  # 80, 60
}
#: ... the ticket's beside a page; the shares of 1 d and 3 d
TICKETS_BESIDE = {
    0.99: ("", "11.11%", "16.28%", "40.98%", "36.76%", ""),  # 3, 1
    0.95: ("5.263%", "11.11%", "16.28%", "40.98%", "36.76%", ""),  # 15, 5
    0.90: ("", "11.11%", "16.28%", "40.98%", "36.76%", ""),  # 30, 10
    0.85: ("", "", "16.28%", "40.98%", "36.76%", ""),  # 40, 15
    0.80: ("", "", "", "40.98%", "36.76%", ""),  # 40, 20
}
#: ... the ticket's where nothing pages: all four windows
TICKETS_ALONE = {
    0.90: ("", "11.11%", "100%", "100%", "36.76%", ""),
    0.85: ("", "", "100%", "100%", "36.76%", ""),
    0.80: ("", "", "100%", "100%", "36.76%", ""),
}


def series(slo: slos.Slo) -> Iterator[tuple[str, str]]:
    good, bad = "0+2x72 144x49 146+2x80", "_x73 2+2x49 100x80"
    if slo.clock == slos.CSAT:
        yield f'deskstream_csat_answers_total{{channel="{slo.channel}",team="a",score="3"}}', good
        yield f'deskstream_csat_answers_total{{channel="{slo.channel}",team="a",score="2"}}', bad
    else:
        labels = f'clock="{slo.clock}",policy="p",channel="{slo.channel}",team="a",priority="low"'
        yield f"deskstream_sla_met_total{{{labels}}}", good
        yield f"deskstream_sla_breached_total{{{labels}}}", bad


def expected(slo: slos.Slo, minute: int) -> Iterator[dict[str, str]]:
    labels = {"slo": slo.name, "clock": slo.clock, "channel": slo.channel}
    at = MINUTES.index(minute)
    page = PAGES[slo.objective][at] if slo.severity == "page" else ""
    ticket = (TICKETS_BESIDE if slo.severity == "page" else TICKETS_ALONE)[slo.objective][at]
    if page:
        yield {**labels, "severity": "page", "value": page}
    if ticket:
        yield {**labels, "severity": "ticket", "value": ticket}


def test_every_slo_pages_and_makes_tickets_when_its_budget_burns_and_falls_silent_when_it_is_over(
    rules: Path, tools: Tools, tmp_path: Path
) -> None:
    plan = slos.load()
    names = {alert_name(slo.clock) for slo in plan.slos}
    expect = {
        f"{START + minute}m": {
            name: [one for slo in plan.slos if alert_name(slo.clock) == name for one in expected(slo, minute)]
            for name in sorted(names)
        }
        for minute in MINUTES
    }
    put_in = dict(pair for slo in plan.slos for pair in series(slo))
    judge(tools, tmp_path, [cases.promtool_test(rules / "slo.yaml", "5m", put_in, expect, ALERTS)])
