"""Panes, scores and first contact resolution by hand: the cases of `measure_cases/`, one test each.

Times and the log are written as in `clock_case`; beside its actions there are `parcel` and `declined` (a message about
one reason or another), `survey CSAT [ces=N] [episode=N] [scanner]`, and `reply_to N`, `solve_of N` for ticket number N.
The policies are those of `conftest.py`: first response within 1 h, next response within 30 min, full resolution within 8 h.

    totals: {csat_sum: 5}                  a metric over all panes
    panes: {tickets_solved: {5m: 1}}       a metric by the beginning of its pane, without those where it is 0
    window: {from: 0, to: 1h, metric: n}   a metric over the panes that begin in [from, to)
    quantiles: {first_response: {0.5: 100}}    seconds, of the sketch over all panes; within its 1 %
    fcr: ["1 kept @170h 1 answers"]        of each episode of ticket 1: `EPISODE kept|lost|open [@decided] N answers [because WHY]`
    scores: {csat: 5, first_csat: 2}       fields of the last fact about a survey
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from schemas.facts import PaneBucketFact, ResolutionFact, SurveyFact
from stream_processors.rules.ruleset import Rules
from stream_processors.tickets.windows.quantile_sketch import quantile
from tests.support.each import each
from tests.support.tickets.clock_case import ACTIONS, seconds
from tests.support.tickets.story import SECOND, T0, Story

FOLDER = Path(__file__).parent / "measure_cases"
EXPECTED = {"totals", "panes", "window", "quantiles", "fcr", "scores"}


def _survey(story: Story, t: float, csat: str, *words: str) -> Any:
    given: dict[str, Any] = {"scanner": "scanner" in words}
    given |= {name: int(value) for name, value in (word.split("=") for word in words if "=" in word)}
    return story.survey(t, csat=int(csat), **given)


MORE_ACTIONS: dict[str, Callable[..., Any]] = ACTIONS | {
    "parcel": lambda s, t: s.message(t, "My parcel never arrived."),
    "declined": lambda s, t: s.message(t, "My card was declined."),
    "survey": _survey,
    "reply_to": lambda s, t, number: s.reply(t, number=int(number)),
    "solve_of": lambda s, t, number: s.solve(t, number=int(number)),
}


class Case(NamedTuple):
    file: str
    says: str
    given: dict[str, Any]


def cases() -> Iterator[Case]:
    for path in sorted(FOLDER.glob("*.yaml")):
        for given in yaml.safe_load(path.read_text("utf-8"))["cases"]:
            assert given["why"] and not given.keys() - EXPECTED - {"says", "why", "log", "channel"}, given
            yield Case(path.stem, given["says"], given)


CASES = list(cases())


def told(rules: Rules, case: Case) -> Story:
    story = Story(rules, channel=case.given.get("channel", "email"))
    for entry in case.given["log"].split(";"):
        when, action, *words = entry.split()
        MORE_ACTIONS[action](story, seconds(when), *words)
    assert story.refused() == []
    return story


def by_pane(story: Story, metric: str) -> dict[float, float]:
    found: Counter[float] = Counter()
    for pane in story.panes():
        found[(pane.start - T0) / SECOND] += getattr(pane, metric)
    return {start: value for start, value in found.items() if value}


def resolved(story: Story) -> list[str]:
    newest = {f.episode: f for f in story.all(ResolutionFact) if f.ticket_id == story.ticket_id()}
    rows = []
    for episode, fact in sorted(newest.items()):
        result = {True: "kept", False: "lost", None: "open"}[fact.fcr]
        decided = "" if fact.decided_at is None else f" @{(fact.decided_at - T0) / SECOND:g}"
        because = f" because {fact.reason}" if fact.reason else ""
        rows.append(f"{episode} {result}{decided} {fact.public_answers} answers{because}")
    return rows


def in_seconds(row: str) -> str:
    return " ".join(f"@{seconds(word[1:]):g}" if word.startswith("@") else word for word in row.split())


def sketch(story: Story, measure: str) -> Counter[int]:
    newest: dict[tuple[Any, ...], PaneBucketFact] = {}
    for fact in story.all(PaneBucketFact):
        if fact.measure == measure:
            newest[fact.start, fact.part, fact.team, fact.priority, fact.policy, fact.bucket] = fact
    counts: Counter[int] = Counter()
    for fact in newest.values():
        counts[fact.bucket] += fact.count
    return counts


@each("case", CASES)
def test_the_figures_say(case: Case, rules: Rules) -> None:
    story, given, why = told(rules, case), case.given, case.given["why"]
    for metric, value in given.get("totals", {}).items():
        assert story.total(metric) == pytest.approx(value), f"{metric}: {why}"
    for metric, panes in given.get("panes", {}).items():
        assert by_pane(story, metric) == {seconds(start): value for start, value in panes.items()}, f"{metric}: {why}"
    if window := dict(given.get("window", {})):
        since, until = seconds(window.pop("from")), seconds(window.pop("to"))
        for metric, value in window.items():
            inside = sum(count for start, count in by_pane(story, metric).items() if since <= start < until)
            assert inside == pytest.approx(value), f"{metric}: {why}"
    for measure, quantiles in given.get("quantiles", {}).items():
        for share, value in quantiles.items():
            assert quantile(sketch(story, measure), share) == pytest.approx(seconds(value), rel=0.0101), why
    if "fcr" in given:
        assert resolved(story) == list(map(in_seconds, given["fcr"])), why
    for name, value in given.get("scores", {}).items():
        assert getattr(story.last(SurveyFact), name) == value, f"{name}: {why}"
