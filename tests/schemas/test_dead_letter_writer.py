"""Dead letters as they are written, and the markers of those that were replayed."""

from __future__ import annotations

from schemas.dead_letter import headers, writer
from schemas.dead_letter.headers import InputContext
from schemas.dead_letter.record import DeadLetter
from schemas.dead_letter.replay_markers import replay_marker, replayed_position

AT = 1_772_409_600_000_000
INPUT = {"reason": "bad_json", "error": "at 1", "stage": "normalise", "origin": "http:a", "at": AT, "producer": "http"}


def test_a_record_that_failed_goes_back_to_its_topic() -> None:
    try:
        raise KeyError("verb")
    except KeyError as error:
        written = writer.of_record(b"K", b"raw", ("facts", 2, 41), error, reason="defect", stage="fold", at=AT)
    story = headers.read(written.headers)
    assert (written.key, written.value) == (b"K", b"raw")
    assert story.pop("traceback").startswith("Traceback")
    assert story == {
        "reason": "defect",
        "error": "KeyError: 'verb'",
        "stage": "fold",
        "origin": "facts/2/41",
        "replay-topic": "facts",
        "producer": "",
        "at": str(AT),
    }


def test_a_record_that_one_process_alone_can_take_goes_to_no_topic() -> None:
    written = writer.of_record(
        None,
        None,
        ("facts", 0, 0),
        ValueError(),
        reason="refused",
        stage="webhooks",
        at=AT,
        producer="webhooks replay a",
    )
    story = headers.read(written.headers)
    assert (written.key, written.value, story["replay-topic"], story["producer"]) == (
        None,
        b"",
        "",
        "webhooks replay a",
    )


def test_an_input_has_no_key_and_says_no_more_than_there_is_to_say() -> None:
    written = writer.of_input(b"raw", **INPUT)  # type: ignore[arg-type]
    story = headers.read(written.headers)
    assert (written.key, written.value) == (None, b"raw")
    assert (story["replay-topic"], story["producer"], story["reason"]) == ("", "http", "bad_json")
    assert not {"given", "masked", "truncated", "kept-at"} & set(story)


def test_an_input_that_is_masked_and_cut_says_so_behind_its_context() -> None:
    given = InputContext(received_at=5)
    written = writer.of_input(
        b"raw",
        given=given,
        masked=True,
        total_bytes=9_000,
        kept_at="/in/" + "x" * 3000,
        **INPUT,  # type: ignore[arg-type]
    )
    names = [name for name, _ in written.headers]
    assert names[-4:] == ["given", "masked", "truncated", "kept-at"]
    story = headers.read(written.headers)
    assert (headers.input_context(story), story["masked"], story["truncated"]) == (given, "1", "9000")
    assert len(story["kept-at"]) == 2000


def test_a_marker_names_the_dead_letter_of_its_partition() -> None:
    dead_letter = DeadLetter("n-facts.dlq", 2, 7, b"K", b"raw", {}, 0)
    story = headers.read(replay_marker(dead_letter, AT))  # type: ignore[arg-type]
    assert story == {"replayed": "7", "reason": "replayed", "at": str(AT)}
    assert replayed_position("n-facts.dlq", 2, story) == dead_letter.position
    assert replayed_position("n-facts.dlq", 2, {"reason": "replayed"}) is None
