"""The frames of the chat protocol, their description, and the widget that speaks them."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.channels import chat_protocol as frames
from producers.sources.chat import pages
from schemas.errors import Refused


@pytest.mark.parametrize(
    "message",
    ["", "{", "[]", '"start"', '{"type":"nonsense"}', '{"type":"line","line":"a"}', '{"type":"line","line":"","text":"x"}',
     '{"type":"line","line":"a b","text":"x"}', '{"type":"survey","csat":6}', '{"type":"survey","csat":true}',
     '{"type":"resume","token":"t","after":-1}', '{"type":"line","line":"a","text":"\\ud800"}', "[" * 100_000],
)  # fmt: skip
def test_what_is_no_frame_is_refused(message: str) -> None:
    with pytest.raises(Refused, match="bad_frame"):
        frames.decode(message)


@given(st.text() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps))
def test_no_text_breaks_the_decoder(message: str) -> None:
    try:
        frames.decode(message)
    except Refused as refused:
        assert refused.reason == "bad_frame"


@pytest.mark.parametrize("kind", frames.FROM_VISITOR, ids=lambda kind: kind.__name__)
def test_every_frame_is_read_back_as_it_was_written(kind: type[Any]) -> None:
    required = {
        "visitor": "v" * 16,
        "conversation": "c" * 16,
        "line": "l1",
        "text": "x",
        "token": "t",
        "csat": 3,
        "message": "m",
    }
    names = {field.name for field in msgspec.structs.fields(kind) if field.required}
    frame = kind(**{name: value for name, value in required.items() if name in names})
    assert frames.decode(frames.encode(frame)) == frame


def test_the_committed_description_is_the_generated_one() -> None:
    assert pages.ASYNCAPI.read_bytes() == pages.document(), "run `make generate`"


def test_the_description_holds_every_frame_and_no_dead_reference() -> None:
    document = json.loads(pages.document())

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if "$ref" in node else []
            return own + [each for value in node.values() for each in references(value)]
        return [each for value in node for each in references(value)] if isinstance(node, list) else []

    for reference in references(document):
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    described = set(document["components"]["messages"])
    assert described == {frames._tag(kind) for kind in (*frames.FROM_VISITOR, *frames.FROM_SERVER)}
    assert document["components"]["schemas"]["Survey"]["properties"]["csat"]["maximum"] == 5


def test_the_widget_has_all_languages_and_frames() -> None:
    """The words are a literal of the script: keys in the same order in each of the four."""
    script = pages.page("/widget.js")
    assert script is not None
    text = script[1].decode()
    blocks = re.findall(r'^    (?:en|ja|"zh-Han[st]"): \{\n(.*?)^    \},\n', text, flags=re.M | re.S)
    names = [re.findall(r"(\w+): \"", re.sub(r'"[^"]*"', '"', block)) for block in blocks]
    assert len(blocks) == 4
    assert names[0] == names[1] == names[2] == names[3]
    assert len(names[0]) > 40
    for kind in frames.FROM_SERVER:
        tag = frames._tag(kind)
        assert tag == "pong" or f"    {tag}(frame)" in text, tag
    for kind in frames.FROM_VISITOR:
        assert f'type: "{frames._tag(kind)}"' in text, kind
