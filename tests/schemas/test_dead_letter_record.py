"""How dead letters are chosen: the same for every command that shows or replays them."""

from __future__ import annotations

import pytest

from schemas.dead_letter.record import Choice, DeadLetter, oldest_first, parse_position, parse_time
from schemas.errors import ConfigurationError
from schemas.settings import Settings

NOW_MS = 1_772_445_600_000  # 2026-03-02T10:00:00Z
STORY = {
    "reason": "defect",
    "error": "KeyError: 'verb'",
    "stage": "normalise",
    "origin": "imap:support",
    "producer": "email",
    "traceback": "Traceback: in headers.py",
}
DEAD_LETTER = DeadLetter("n-contact-events.dlq", 2, 7, None, b"raw", STORY, NOW_MS, 3)


@pytest.mark.parametrize(
    "choice",
    [
        Choice(),
        Choice(topic="contact-events.dlq", namespace="n-"),
        Choice(topic="n-contact-events.dlq", namespace="n-"),
        Choice(reason="defect"),
        Choice(source="email"),
        Choice(source="imap:"),
        Choice(stage="normalise"),
        Choice(error="keyerror"),
        Choice(error="HEADERS.py"),
        Choice(since_ms=NOW_MS),
        Choice(until_ms=NOW_MS + 1),
        Choice(positions=frozenset({("n-contact-events.dlq", 2, 7)})),
        Choice(reason="defect", source="email", stage="normalise", since_ms=0, until_ms=NOW_MS + 1),
    ],
)
def test_a_dead_letter_is_chosen_by_what_it_says(choice: Choice) -> None:
    assert choice.among([DEAD_LETTER]) == [DEAD_LETTER]


@pytest.mark.parametrize(
    "choice",
    [
        Choice(topic="facts.dlq", namespace="n-"),
        Choice(reason="def"),
        Choice(source="mail"),  # neither its producer nor in its origin
        Choice(stage="encode"),
        Choice(error="ValueError"),
        Choice(since_ms=NOW_MS + 1),
        Choice(until_ms=NOW_MS),
        Choice(positions=frozenset({("n-contact-events.dlq", 2, 8)})),
        Choice(reason="defect", source="sms"),
    ],
)
def test_a_dead_letter_is_left_when_one_thing_differs(choice: Choice) -> None:
    assert choice.among([DEAD_LETTER]) == []


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("", None),
        ("90s", NOW_MS - 90_000),
        ("90m", NOW_MS - 5_400_000),
        ("2h", NOW_MS - 7_200_000),
        ("3d", NOW_MS - 259_200_000),
        ("2026-03-02T10:00:00Z", NOW_MS),
        ("2026-03-02T19:00:00+09:00", NOW_MS),
    ],
)
def test_a_time_is_an_age_or_an_instant(text: str, at: int | None) -> None:
    assert parse_time(text, now_ms=NOW_MS, where="--since") == at


@pytest.mark.parametrize("text", ["yesterday", "2026-03-02T10:00:00", "3w", "-1h", "h"])
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"--since: .* is no time \(an age such as 90m"):
        parse_time(text, now_ms=NOW_MS, where="--since")


def test_a_place_may_leave_the_namespace_out() -> None:
    settings = Settings(namespace="n-")
    position = ("n-contact-events.dlq", 2, 7)
    assert (
        parse_position("contact-events.dlq:2:7", settings)
        == parse_position(DEAD_LETTER.place, settings)
        == position
        == DEAD_LETTER.position
    )


def test_the_oldest_comes_first_and_those_of_one_moment_as_they_lie() -> None:
    later = DeadLetter("a", 0, 9, None, b"", {}, NOW_MS)
    last = DeadLetter("a", 0, 10, None, b"", {}, NOW_MS)
    first = DeadLetter("b", 1, 2, None, b"", {}, NOW_MS - 1)
    assert oldest_first([last, later, first]) == [first, later, last]
