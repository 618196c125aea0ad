"""The bytes that a recomputation hands to the sink: each fact behind its length, the summary behind a length of 0."""

from __future__ import annotations

import io
import json

from schemas import codec
from schemas.facts import TagFact
from stream_processors.recompute import cli
from tests.support.records import example


def test_frames_are_facts_with_their_length_and_a_summary() -> None:
    pipe = io.BytesIO()
    frames = cli._Frames(pipe)
    facts = [example(TagFact), example(TagFact)]
    frames.write(facts)
    assert (frames.count, pipe.getvalue()) == (2, b"")
    frames.end({"facts": 2})
    value = codec.encode(facts[0])
    frame = len(value).to_bytes(4, "big") + value
    assert pipe.getvalue() == frame * 2 + bytes(4) + json.dumps({"facts": 2}).encode()


def test_frames_are_written_as_soon_as_there_is_enough(monkeypatch) -> None:
    monkeypatch.setattr(cli, "_WRITTEN_AT", 2 * (4 + len(codec.encode(example(TagFact)))))
    pipe = io.BytesIO()
    frames = cli._Frames(pipe)
    frames.write([example(TagFact)])
    assert pipe.getvalue() == b""
    frames.write([example(TagFact)])
    assert len(pipe.getvalue()) == cli._WRITTEN_AT
