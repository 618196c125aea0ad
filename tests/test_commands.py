"""The commands of each process, in the order that its `--help` shows: scripts and manifests name them."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from producers.__main__ import app as producers
from sinks.__main__ import app as sinks
from stream_processors.__main__ import cli as stream_processors

CHANNELS = ["agents", "help-centre", "kiosk", "orders", "phone", "sms", "social"]


@pytest.mark.parametrize(
    ("app", "names"),
    [
        (
            producers,
            [
                *("mail", "imap", "smtp", "http", "chat", "import", "replay", "simulate", "surveys", "kiosk-token"),
                *CHANNELS,
                "keys",
            ],
        ),
        (
            sinks,
            [
                "clickhouse",
                "migrate",
                "rewind",
                "query",
                "staffing",
                "matrix",
                "why",
                "erase",
                "export-customer",
                "dlq",
                "recompute",
                "delivery",
                "webhooks",
            ],
        ),
        (
            stream_processors,
            [
                "preview",
                "rekey",
                "recompute",
                "automations",
                "evaluate",
                "language-check",
                "answers",
                "suggest",
                "train",
                "rules",
                "incident",
            ],
        ),
    ],
    ids=["producers", "sinks", "stream_processors"],
)
def test_the_commands_of_a_process(app: typer.Typer, names: list[str]) -> None:
    group = typer.main.get_command(app)
    assert list(group.list_commands(typer.Context(group))) == names  # type: ignore[attr-defined]


@pytest.mark.parametrize("app", [producers, sinks], ids=["producers", "sinks"])
def test_a_process_without_a_command_prints_its_help(app: typer.Typer) -> None:
    printed = CliRunner().invoke(app, []).output
    assert "Commands" in printed
    assert "--help" in printed
    assert "Missing command" not in printed
