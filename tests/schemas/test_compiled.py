"""The compiled encoder writes the very bytes that fastavro writes."""

from __future__ import annotations

import random
from io import BytesIO

import fastavro
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import codec, compiled
from schemas.compiled import long, text
from schemas.errors import BrokenBody
from schemas.events import NoteAdded, SurveyAnswered
from tests.support.records import records


def by_fastavro(record: msgspec.Struct) -> bytes:
    known = codec.versions(type(record))
    buffer = BytesIO()
    fastavro.schemaless_writer(
        buffer,
        fastavro.parse_schema(codec._plain(known[max(known)])),
        msgspec.to_builtins(record, builtin_types=(bytes,)),
    )
    return codec.header(type(record)) + buffer.getvalue()


@pytest.mark.parametrize("kind", codec.RECORDS, ids=lambda kind: kind.__name__)
@settings(max_examples=10, deadline=None)  # of each of 25 kinds
@given(data=st.data())
def test_compiled_bytes_are_those_of_fastavro(kind: type[msgspec.Struct], data: st.DataObject) -> None:
    record = data.draw(records(kind))
    assert codec.encode(record) == by_fastavro(record)


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, "00"),
        (-1, "01"),
        (1, "02"),
        (-64, "7f"),
        (64, "8001"),
        ((1 << 63) - 1, "feffffffffffffffff01"),
        (-(1 << 63), "ff" * 9 + "01"),
    ],
)
def test_longs_are_zigzag_and_variable_length(value: int, encoded: str) -> None:
    assert long(value).hex() == encoded


def test_numbers_of_every_length_are_those_of_fastavro_and_read_back() -> None:
    dice, schema = random.Random(9), {"type": "record", "name": "Pair", "fields": [LONG, NEXT]}
    read = compiled.compile_decoder(schema, {"Pair": Pair})
    edges = [edge for bits in range(63) for edge in ((1 << bits) - 1, 1 << bits, dice.getrandbits(bits + 1))]
    for value in (*edges, *(-edge - 1 for edge in edges)):
        for following in (0, 1 << 50):  # at the end of the bytes there are no eight to read at once
            buffer = BytesIO()
            fastavro.schemaless_writer(buffer, schema, {"first": value, "second": following})
            written = buffer.getvalue()
            assert long(value) + long(following) == written, value
            assert read(written, 0) == (Pair(value, following), len(written))
            for cut in range(len(written)):
                with pytest.raises(IndexError):
                    read(written[:cut], 0)


class Pair(msgspec.Struct):
    first: int
    second: int


LONG, NEXT = {"name": "first", "type": "long"}, {"name": "second", "type": "long"}
NOTE = NoteAdded(event_id="e", occurred_at=1, received_at=2, customer_tag="T", ticket_id="T-1", agent_id="a", text="t")


@pytest.mark.parametrize(
    "bad",
    [
        msgspec.structs.replace(NOTE, text=None),
        msgspec.structs.replace(NOTE, text=7),
        msgspec.structs.replace(NOTE, text="\ud800"),
        msgspec.structs.replace(NOTE, occurred_at="now"),
        msgspec.structs.replace(NOTE, occurred_at=1 << 63),
        msgspec.structs.replace(NOTE, occurred_at=None),
        SurveyAnswered(event_id="e", occurred_at=1, received_at=2, customer_tag="T", ticket_id="T-1", survey_id="s", csat="five"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_type_is_refused_and_names_the_record(bad: msgspec.Struct) -> None:
    with pytest.raises(BrokenBody, match=type(bad).__name__):
        codec.encode(bad)


@pytest.mark.parametrize(("value", "encoded"), [("", "00"), ("é", "04c3a9"), ("x" * 64, "8001" + "78" * 64)])
def test_a_text_is_its_length_in_bytes_and_its_utf8_the_first_time_and_later(value: str, encoded: str) -> None:
    assert [text(value).hex(), text(value).hex()] == [encoded, encoded]


def test_texts_are_kept_only_while_they_are_short_and_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_TEXTS", kept := {})
    monkeypatch.setattr(compiled, "_MOST_TEXTS", 3)
    for value in ("a", "b", "c", "x" * 1000, "d"):
        text(value)
    assert kept == {"d": b"\x02d"}
