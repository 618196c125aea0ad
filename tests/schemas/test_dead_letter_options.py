"""One set of options: every command that selects dead letters has the same ones, with the same meaning."""

from __future__ import annotations

import time
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from schemas.dead_letter import options
from schemas.dead_letter.options import Selection
from schemas.errors import ConfigurationError
from schemas.settings import Settings

ALL = [
    "-r",
    "defect",
    "-t",
    "facts.dlq",
    "-s",
    "email",
    "--stage",
    "fold",
    "-e",
    "Key",
    "--since",
    "2d",
    "--until",
    "1h",
]
SELECTED = {
    "reason": "defect",
    "topic": "facts.dlq",
    "source": "email",
    "stage": "fold",
    "error": "Key",
    "since": "2d",
    "until": "1h",
}


def run(named: bool, *arguments: str) -> tuple[Selection, int]:
    heard: list[tuple[Selection, int]] = []
    app = typer.Typer()

    @app.command()
    @options.selecting(named=named)
    def command(selection: Selection, limit: Annotated[int, typer.Option(help="how many")] = 50) -> None:
        """Do something."""
        heard.append((selection, limit))

    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, done.output
    return heard[0]


def test_a_command_is_called_with_what_was_typed_and_its_own_options() -> None:
    assert run(False, *ALL, "--limit", "3") == (Selection(**SELECTED), 3)  # type: ignore[arg-type]
    assert run(False) == (Selection(), 50)


def test_a_command_that_changes_something_takes_places_or_all() -> None:
    selection, _ = run(True, "facts.dlq:0:1", "facts.dlq:1:2", *ALL)
    assert selection == Selection(places=["facts.dlq:0:1", "facts.dlq:1:2"], **SELECTED)  # type: ignore[arg-type]
    assert run(True, "--all") == (Selection(every=True), 50)


@pytest.mark.parametrize("selection", [Selection(), Selection(places=["facts.dlq:0:1"], every=True)])
def test_neither_places_nor_all_and_both_are_refused(selection: Selection) -> None:
    with pytest.raises(ConfigurationError, match=r"^replay: name dead letters, or say --all$"):
        selection.require_named("replay")


@pytest.mark.parametrize("selection", [Selection(every=True), Selection(places=["facts.dlq:0:1"])])
def test_places_alone_or_all_alone_are_accepted(selection: Selection) -> None:
    selection.require_named("replay")


def test_a_selection_becomes_a_choice() -> None:
    before = time.time() * 1000
    choice = Selection(places=["facts.dlq:1:2"], **SELECTED).choice(Settings(namespace="n-"))  # type: ignore[arg-type]
    kept: dict[str, Any] = {name: getattr(choice, name) for name in ("reason", "topic", "source", "stage", "error")}
    assert kept == {name: SELECTED[name] for name in kept}
    assert (choice.positions, choice.namespace) == ({("n-facts.dlq", 1, 2)}, "n-")
    assert choice.since_ms is not None and choice.until_ms is not None
    assert choice.until_ms - choice.since_ms == 47 * 3_600_000
    assert abs(choice.until_ms + 3_600_000 - before) < 60_000


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"topic": "facts"}, "--topic: 'facts' is no dead-letter topic"),
        ({"since": "soon"}, "--since: 'soon' is no time"),
        ({"until": "soon"}, "--until: 'soon' is no time"),
        ({"places": ["facts:0:1"]}, "TOPIC:PARTITION:OFFSET: 'facts:0:1' is not a dead letter's place"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(typed: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Selection(**typed).choice(Settings())
    assert str(refused.value).startswith(says)
