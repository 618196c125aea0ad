"""The story of a dead letter, as people and `dlq replay` read it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas import deadletter

ANY_TEXT = st.text(st.characters())


def test_the_headers_stand_in_the_order_in_which_people_read_them() -> None:
    headers = deadletter.headers(
        reason="bad_json",
        error="JSONDecodeError: line 1",
        stage="decode",
        origin="contact-events/2/41",
        at=1_772_409_600_000_000,
        replay_topic="contact-events",
        producer="http",
        traceback="Traceback ...",
    )
    assert headers == [
        ("reason", b"bad_json"),
        ("error", b"JSONDecodeError: line 1"),
        ("stage", b"decode"),
        ("origin", b"contact-events/2/41"),
        ("replay-topic", b"contact-events"),
        ("producer", b"http"),
        ("at", b"1772409600000000"),
        ("traceback", b"Traceback ..."),
    ]


def story(**changes: str) -> dict[str, str]:
    fields = {"reason": "r", "error": "e", "stage": "s", "origin": "o"} | changes
    return deadletter.read(deadletter.headers(at=1, **fields))  # type: ignore[arg-type]


def test_the_error_is_one_line_of_at_most_500_characters() -> None:
    assert story(error="first\nsecond")["error"] == "first"
    assert story(error="")["error"] == ""
    assert story(error="\n")["error"] == ""
    assert len(story(error="e" * 501)["error"]) == 500


def test_of_a_long_traceback_the_end_is_kept() -> None:
    assert story(traceback="a" * 100 + "z" * 8000)["traceback"] == "z" * 8000


def test_nothing_is_needed_for_a_replay_by_default() -> None:
    assert (story()["replay-topic"], story()["producer"], story()["traceback"]) == ("", "", "")


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_any_error_text_at_all_becomes_headers(error: str, origin: str, traceback: str) -> None:
    written = story(error=error, origin=origin, traceback=traceback)
    assert "\n" not in written["error"]
    assert set(written) == {"reason", "error", "stage", "origin", "replay-topic", "producer", "at", "traceback"}


def test_headers_of_others_are_read_too() -> None:
    headers = [("reason", b"r"), ("trace-id", b"\xff1"), ("empty", None)]
    assert deadletter.read(headers) == {"reason": "r", "trace-id": "\ufffd1", "empty": ""}
