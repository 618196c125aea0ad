"""The command line of a recomputation: the span of lateness, under its name and under the former one."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from stream_processors.__main__ import cli as worker
from stream_processors.recompute import cli

MINUTE = 60_000_000


@pytest.mark.parametrize(
    ("words", "within", "warned"),
    [
        ((), 0, False),
        (("--reorder", "10"), 10 * MINUTE, False),
        (("--reorder", "0.5"), MINUTE // 2, False),
        (("--heal", "10"), 10 * MINUTE, True),
    ],
)
def test_lateness_is_given_in_minutes(
    words: tuple[str, ...], within: int, warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(cli, "_recompute", lambda *arguments: asked.append(arguments) or 0)
    done = CliRunner().invoke(worker, ["recompute", "--config", "rules", *words])
    assert done.exit_code == 0, done.output
    assert [each[4] for each in asked] == [within]
    assert ("--heal is deprecated" in done.stderr) is warned


def test_help_names_the_option_of_today_alone() -> None:
    shown = CliRunner().invoke(worker, ["recompute", "--help"], env={"COLUMNS": "200"}).output
    assert "--reorder" in shown
    assert "--heal" not in shown
