"""The story of a dead letter, as people and `dlq replay` read it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.dead_letter import headers as dead_letter_headers

ANY_TEXT = st.text(st.characters())


def test_the_headers_stand_in_the_order_in_which_people_read_them() -> None:
    headers = dead_letter_headers.headers(
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
    return dead_letter_headers.read(dead_letter_headers.headers(at=1, **fields))  # type: ignore[arg-type]


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
    assert dead_letter_headers.read(headers) == {"reason": "r", "trace-id": "\ufffd1", "empty": ""}


def test_what_a_channel_was_given_stands_behind_the_story() -> None:
    kept = dead_letter_headers.InputContext(received_at=5, source="http:a", headers={"content-type": "text/plain"})
    *_, last = dead_letter_headers.headers(reason="r", error="e", stage="s", origin="o", at=1, given=kept)
    assert last == ("given", b'{"received_at":5,"source":"http:a","headers":{"content-type":"text/plain"}}')


def test_half_a_character_in_the_name_of_a_source_costs_no_dead_letter() -> None:
    kept = dead_letter_headers.InputContext(received_at=5, source="folder:/a\udcff")
    written = dead_letter_headers.headers(reason="r", error="e", stage="s", origin="o", at=1, given=kept)
    found = dead_letter_headers.input_context(dead_letter_headers.read(written))
    assert found == dead_letter_headers.InputContext(received_at=5, source="folder:/a?")


@pytest.mark.parametrize(
    "written", [None, b"", b"{", b"[]", b"{}", b'{"received_at":"now"}', b"\xff"], ids=lambda raw: repr(raw)
)
def test_a_dead_letter_without_what_the_channel_was_given_says_none(written: bytes | None) -> None:
    assert dead_letter_headers.input_context(dead_letter_headers.read([("given", written)])) is None


def test_a_field_that_a_later_build_added_is_left_out_by_an_earlier_one() -> None:
    found = dead_letter_headers.input_context({"given": '{"received_at":5,"colour":"red"}'})
    assert found == dead_letter_headers.InputContext(received_at=5)


def test_only_what_is_named_is_chosen_and_nothing_longer_than_any_channel_reads() -> None:
    values = {"a": "1", "b": "2" * 3000, "c": "3"}
    assert dead_letter_headers.chosen(values, ("b", "a", "z")) == {"a": "1", "b": "2" * 2000}
