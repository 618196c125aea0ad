"""`make mutants`: the changes that it makes, what `accepted.yaml` may say, and the sample of it that belongs to a soak."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import pytest

from tests.mutants.__main__ import accepted
from tests.mutants.changes import mutants
from tests.mutants.pool import ROOT
from tests.mutants.reach import sources
from tests.support.each import each

SOURCE = '''
"""A docstring."""
LIMIT: int = 5
EVENTS = Counter("events_total", "help", ["kind"])

class Thing(Struct, frozen=True, tag="thing"):
    def most(self, found: list[int]) -> int:
        """A docstring."""
        if not found:
            raise ValueError("nothing")
        log.info("found", count=1)
        found.sort()
        return min(found[-1], LIMIT)
'''


def test_the_changes_of_a_module() -> None:
    assert [mutant.says for mutant in mutants(SOURCE)] == [
        "module: 5 → 6",
        "module: 'events_total' → 'events_total?'",
        "module: 'kind' → 'kind?'",
        "Thing: 'thing' → 'thing?'",
        "Thing.most: not found → not not found",
        "Thing.most: not found → found",
        "Thing.most: found.sort() → pass",
        "Thing.most: min(found[-1], LIMIT) → None",
        "Thing.most: min(found[-1], LIMIT) → max(found[-1], LIMIT)",
        "Thing.most: -1 → 1",
        "Thing.most: 1 → 2",
    ]


def test_a_change_leaves_the_rest_of_the_source_alone() -> None:
    for mutant in mutants(SOURCE):
        before, after = SOURCE.splitlines(), mutant.source.splitlines()
        changed = [number for number, lines in enumerate(zip(before, after, strict=True), 1) if lines[0] != lines[1]]
        assert changed == [mutant.line]


def test_a_change_over_lines_with_wide_characters() -> None:
    found = list(mutants('A = ["客", f(\n    "é" < x,\n)]  # ü\n'))
    assert [mutant.source for mutant in found if "<=" in mutant.after] == [
        "A = [\"客\", f(\n    ('é' <= x),\n)]  # ü\n"
    ]


@each("file", sources(ROOT)[::9])
def test_every_change_can_be_compiled(file: str) -> None:
    for mutant in [*mutants((ROOT / file).read_text("utf-8"))][::25]:
        compile(mutant.source, file, "exec")


@cache
def _all_of(file: str) -> set[str]:
    return {mutant.says for mutant in mutants((ROOT / file).read_text("utf-8"))}


@pytest.mark.soak
def test_what_is_accepted_is_a_change_of_today_s_code() -> None:
    strangers = [f"{file}: {says}" for file, says in accepted() if says not in _all_of(file)]
    assert strangers == []


@pytest.mark.soak
def test_a_sample_of_changes_is_noticed() -> None:
    """In a process of its own: the children that try a change must have imported nothing of ours."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.mutants"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    print(ended.stdout)
    assert ended.returncode == 0, ended.stdout + ended.stderr[-2000:]
