"""No name, path, document or help text holds a word that the glossary has replaced."""

from __future__ import annotations

import re

import pytest

from tests.support.glossary.finder import ROOT, check_name, check_prose, in_python, offences, snake
from tests.support.glossary.words import ALLOWED, WORDS

TICKETS = "stream_processors/tickets/state.py"


def test_no_replaced_word_is_in_use() -> None:
    found = sorted(set(offences()))
    assert not found, "\n" + "\n".join(map(str, found))


def old_words(name: str, path: str = TICKETS, forms: tuple[str, ...] = ("parts", "names")) -> list[str]:
    return [offence.old for offence in check_name(name, forms, path, 1, "name")]


@pytest.mark.parametrize(
    ("name", "old"),
    [
        ("turn", "turn"),
        ("_TurnState", "turn"),
        ("next_turn", "turn"),
        ("return_state", ""),
        ("BotTurn", ""),
        ("TeamFigures", "figures"),
        ("configure", ""),
        ("webhook_doors", "door"),
        ("indoor", ""),
        ("letters", "letter, letters"),
        ("dead_letters", ""),
        ("DeadLetter", ""),
        ("DEAD_LETTERS", ""),
        ("_is_letter", ""),
        ("letterbox", "letterbox"),
        ("waterways", ""),
        ("HTTPGate", "gate"),
        ("navigate", ""),
    ],
)
def test_a_word_counts_as_a_whole_word_of_a_name(name: str, old: str) -> None:
    assert old_words(name) == ([old] if old else [])


@pytest.mark.parametrize(
    ("name", "path", "old"),
    [("lift", TICKETS, "lift"), ("lift", "producers/mail/body.py", ""), ("child", "deploy/local/stack.py", "child")],
)
def test_an_ordinary_word_counts_only_where_it_was_private(name: str, path: str, old: str) -> None:
    assert old_words(name, path) == ([old] if old else [])


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("class Share: ...", ["Share"]),
        ("share = Share(1)", ["Share"]),
        ("share = 0.5", []),
        ("ticket.left", ["left"]),
        ("left, right = sides", []),
        ("observe.note(1)", ["note(...)"]),
        ("note = event.note", []),
        ("def test_a_door_opens(): ...", ["door"]),
        ("def test_he_turns_left(): ...", []),
        ("import stream_processors.rulebook", ["rulebook"]),
    ],
)
def test_the_form_of_a_name_decides(source: str, found: list[str]) -> None:
    assert sorted({offence.old for offence in in_python(TICKETS, source)}) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Every door has a secret.", ["door"]),
        ("a dead letter, a dead-letter topic", []),
        ("a letter of its own", ["letter, letters"]),
        ("capital letters, letters and digits", []),
        ("in turn", []),
        ("at the end of the turn", ["turn"]),
        ("the Secret `deskstream-doors`", []),
        ("the reason `old_letter`", []),
    ],
)
def test_running_text_is_read_as_text(text: str, found: list[str]) -> None:
    assert [offence.old for offence in check_prose(text, "README.md", 1, "text")] == found


@pytest.mark.parametrize(("name", "as_snake"), [("HTTPServer", "http_server"), ("_oneTwo_", "one_two"), ("A_B", "a_b")])
def test_a_name_is_compared_in_snake_case(name: str, as_snake: str) -> None:
    assert snake(name) == as_snake


def test_every_row_refuses_something_and_says_what_to_write_instead() -> None:
    forms = ("parts", "names", "functions", "classes", "fields", "files", "prose")
    assert all(word.say and any(getattr(word, form) for form in forms) for word in WORDS)
    assert all((ROOT / folder).exists() for word in WORDS for folder in (*word.under, *word.outside))


def test_every_exception_has_a_reason_and_a_place_that_exists() -> None:
    assert all(len(entry.reason) > 20 and re.compile(entry.name) for entry in ALLOWED)
    assert all((ROOT / entry.where).exists() for entry in ALLOWED)
