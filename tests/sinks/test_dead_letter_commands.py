"""What `sinks dlq show` and `sinks dlq replay` say, over dead letters that a test gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from typer.testing import CliRunner

from schemas.dead_letter import reader as dead_letter_reader
from schemas.dead_letter.record import DeadLetter
from sinks.__main__ import app
from sinks.dead_letters import reader

TOPIC = "contact-events.dlq"


def dead_letter(offset: int, headers: Mapping[str, str]) -> DeadLetter:
    return DeadLetter(TOPIC, 0, offset, b"TAG", b"{}", headers, 1_700_000_000_000)


DEAD_LETTERS = [
    dead_letter(
        7, {"reason": "broken_body", "stage": "decode", "topic": "contact-events", "traceback": "Line 1\nLine 2"}
    ),
    dead_letter(8, {"reason": "bad_json", "stage": "intake", "producer": "form"}),
]


@pytest.fixture
def replayed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[int], bool]]:
    calls: list[tuple[list[int], bool]] = []

    async def dead_letters(settings: Any, *, wanted: Any, **more: Any) -> list[DeadLetter]:
        return [each for each in DEAD_LETTERS if wanted(each)]

    async def find(settings: Any, place: str) -> DeadLetter:
        return next(each for each in DEAD_LETTERS if each.place == place)

    async def replay(settings: Any, chosen: list[DeadLetter], *, dry_run: bool) -> tuple[int, list[DeadLetter]]:
        calls.append(([each.offset for each in chosen], dry_run))
        left = [each for each in chosen if not reader.target(each, settings)]
        return len(chosen) - len(left), left

    monkeypatch.setattr(dead_letter_reader, "dead_letters", dead_letters)
    monkeypatch.setattr(reader, "find", find)
    monkeypatch.setattr(reader, "replay", replay)
    monkeypatch.setattr(reader, "target", lambda each, settings: each.headers.get("topic", ""))
    return calls


def said(*words: str) -> tuple[int, list[str]]:
    done = CliRunner().invoke(app, ["dlq", *words], env={"COLUMNS": "200", "DESKSTREAM_NAMESPACE": ""})
    return done.exit_code, [line.rstrip() for line in done.output.splitlines()]


def test_replay_says_what_it_did_and_what_is_left(replayed: list[tuple[list[int], bool]]) -> None:
    advice = f"{TOPIC}:0:8: raw input of form. Repair the cause, then: python -m producers replay {TOPIC}:0:8"
    assert said("replay", f"{TOPIC}:0:7", f"{TOPIC}:0:8") == (
        0,
        [
            "1 replayed",
            advice,
            "1 left where they are: only their producer can take them again (python -m producers replay)",
        ],
    )
    assert said("replay", f"{TOPIC}:0:7", "--dry-run") == (
        0,
        [f"{TOPIC}:0:7: would go to contact-events", "1 would be replayed"],
    )
    assert replayed == [([7, 8], False), ([7], True)]


def test_show_tells_the_story_the_traceback_and_the_bytes(replayed: list[tuple[list[int], bool]]) -> None:
    assert said("show", f"{TOPIC}:0:7") == (
        0,
        [
            f"dead letter   {TOPIC}:0:7",
            "key           TAG",
            "reason        broken_body",
            "stage         decode",
            "topic         contact-events",
            "bytes         2",
            "",
            "Line 1",
            "Line 2",
            "",
            "{}",
        ],
    )


def test_show_says_how_a_raw_input_is_replayed(replayed: list[tuple[list[int], bool]]) -> None:
    advice = f"{TOPIC}:0:8: raw input of form. Repair the cause, then: python -m producers replay {TOPIC}:0:8"
    assert said("show", f"{TOPIC}:0:8")[1][-3:] == ["{}", "", advice]
