"""The cases of `clock_cases/`, one test each; how they are written is told in `clock_case`."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_processors.rules import ruleset as rules_module
from stream_processors.rules.ruleset import Rules
from tests.support.each import each
from tests.support.tickets.clock_case import Case, cases, differences, play, rules_of, seconds

CASES = list(cases())


@pytest.fixture(scope="module")
def rules_for(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Rules, Rules | None]]:
    """By topic: its rules, and its other ones."""
    shipped, found = rules_module.load(), {}
    for case in CASES:
        if case.file not in found:
            folder: Path = tmp_path_factory.mktemp(case.file)
            other = rules_of(shipped, case.topic, folder, "other_policies") if "other_policies" in case.topic else None
            found[case.file] = rules_of(shipped, case.topic, folder), other
    return found


@each("case", CASES)
def test_the_clocks_say(case: Case, rules_for: dict[str, tuple[Rules, Rules | None]]) -> None:
    story = play(case, *rules_for[case.file])
    assert not (wrong := differences(case, story)), "\n".join((str(case.given["why"]), *wrong))


def test_no_two_cases_say_the_same() -> None:
    said = [case.says for case in CASES]
    assert len(said) == len(set(said)) >= 280


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("90", 90),
        ("-5", -5),
        ("1.5s", 1.5),
        ("1h30m", 5400),
        ("2d", 172_800),
        ("Mon-09:00", 0),
        ("Fri-17:00", 4 * 86_400 + 8 * 3600),
        ("Mon+1-09:30:05", 7 * 86_400 + 1805),
        ("Mon+4-09:00", 28 * 86_400 - 3600),  # London's clocks went forward the day before
    ],
)
def test_a_time_is(text: str, expected: float) -> None:
    assert seconds(text) == expected
