"""How dead letters are listed."""

from __future__ import annotations

import io
from collections.abc import Mapping

from rich.console import Console

from schemas.dead_letter.record import DeadLetter
from sinks.dead_letters import cli

HEADERS = {"reason": "broken_body", "stage": "decode", "origin": "contact-events:3:17", "error": "BrokenBody: no"}


def dead_letter(headers: Mapping[str, str]) -> DeadLetter:
    return DeadLetter("contact-events.dlq", 0, 7, None, b"x", headers, 1_700_000_000_000 - 90_000)


def test_the_list_has_a_line_for_each_without_a_frame(monkeypatch) -> None:
    monkeypatch.setattr(cli.time, "time", lambda: 1_700_000_000.0)
    shown = io.StringIO()
    Console(file=shown, width=120).print(cli._grid([dead_letter(HEADERS), dead_letter({"reason": "codec"})]))
    assert [line.rstrip() for line in shown.getvalue().splitlines()] == [
        "dead letter            ┃ reason      ┃ stage  ┃ origin              ┃ error          ┃ age",
        "━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━╇━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━╇━━━━",
        "contact-events.dlq:0:7 │ broken_body │ decode │ contact-events:3:17 │ BrokenBody: no │ 1m",
        "contact-events.dlq:0:7 │ codec       │        │                     │                │ 1m",
    ]
