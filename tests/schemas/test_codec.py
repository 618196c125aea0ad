"""Single-object encoding: what is written can be read by anyone who follows the Avro specification."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import avro.io
import avro.schema
import fastavro
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import codec, events, facts
from schemas.errors import BrokenBody, CodecError, NotSingleObject, UnknownFingerprint
from tests.schemas.conftest import Registry
from tests.support.each import each
from tests.support.records import example, records

few = settings(max_examples=10, deadline=None)  # of each of 25 kinds
of_every_kind = each("kind", codec.RECORDS)
every_kind = pytest.mark.parametrize("kind", codec.RECORDS, ids=lambda kind: kind.__name__)


def schema_of(kind: type[msgspec.Struct]) -> avro.schema.Schema:
    """The newest published schema as the reference implementation reads it, without logical types."""
    text = codec.versions(kind)[max(codec.versions(kind))]

    def plain(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: plain(value) for key, value in node.items() if key != "logicalType"}
        return [plain(item) for item in node] if isinstance(node, list) else node

    return avro.schema.parse(json.dumps(plain(text)))


def crc_64_avro(data: bytes) -> int:
    """CRC-64-AVRO, bit by bit as in the Avro specification, section "Schema Fingerprints"."""
    empty = 0xC15D213AA4D7A795
    value = empty
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (empty if value & 1 else 0)
    return value


@every_kind
@few
@given(data=st.data())
def test_what_is_encoded_is_decoded_again(kind: type[msgspec.Struct], data: st.DataObject) -> None:
    record = data.draw(records(kind))
    assert codec.decode(codec.encode(record)) == record


@of_every_kind
def test_the_header_is_the_marker_and_the_fingerprint_of_the_canonical_form(kind: type[msgspec.Struct]) -> None:
    written = codec.encode(example(kind))
    schema = schema_of(kind)
    assert written[:2] == bytes([0xC3, 0x01])
    assert written[2:10] == crc_64_avro(schema.canonical_form.encode()).to_bytes(8, "little")
    assert written[2:10] == bytes(schema.fingerprint("CRC-64-AVRO"))
    assert written[:10] == codec.header(kind)


@every_kind
@few
@given(data=st.data())
def test_the_reference_implementation_reads_the_same_fields(kind: type[msgspec.Struct], data: st.DataObject) -> None:
    record = data.draw(records(kind))
    schema = schema_of(kind)
    written = codec.encode(record)
    body = BytesIO(written[10:])
    read = avro.io.DatumReader(schema, schema).read(avro.io.BinaryDecoder(body))
    assert read == msgspec.to_builtins(record, builtin_types=(bytes,))
    assert body.read() == b""


def test_a_note_is_these_bytes() -> None:
    note = events.NoteAdded(
        event_id="e", occurred_at=1, received_at=-1, customer_tag="T", ticket_id="T-1", agent_id="mei", text="好"
    )
    body = (
        b"\x02e"  # a string is its length in bytes, zigzag (1 → 2), then UTF-8
        b"\x02\x01"  # a long is zigzag: 1 → 2, -1 → 1
        b"\x02T"
        b"\x00\x00"  # channel and source: empty
        b"\x00\x00"  # imported: false; causation_depth: 0
        b"\x06T-1\x06mei"
        b"\x06\xe5\xa5\xbd"
        b"\x00"  # thread_ref: empty
    )
    assert codec.encode(note)[10:] == body


def test_the_fingerprints_of_all_versions_of_all_records_differ() -> None:
    seen = [codec.fingerprint(schema) for kind in codec.RECORDS for schema in codec.versions(kind).values()]
    assert len(seen) == len(set(seen)) >= len(codec.RECORDS)


def test_times_on_the_wire_are_timestamp_micros() -> None:
    schema = codec.versions(events.Tick)[1]
    types = {field["name"]: field["type"] for field in schema["fields"]}
    assert types["occurred_at"] == types["received_at"] == {"type": "long", "logicalType": "timestamp-micros"}


# -- versions ----------------------------------------------------------------------------------------------------


def written_with(schema: dict[str, Any], fields: dict[str, Any]) -> bytes:
    body = BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema), fields)
    return b"\xc3\x01" + codec.fingerprint(schema) + body.getvalue()


def test_a_record_of_an_older_version_gets_the_defaults_of_the_new_fields(registry: Registry) -> None:
    def without_tier_and_fields(schema: dict[str, Any]) -> None:
        schema["fields"] = [field for field in schema["fields"] if field["name"] not in ("tier", "fields", "sent_at")]

    older = registry.rewrite(events.MessageReceived, without_tier_and_fields)
    message = example(
        events.MessageReceived, subject="Where is my order?", attachments=[events.Attachment(name="a.png")]
    )
    fields = msgspec.to_builtins(message)
    for name in ("tier", "fields", "sent_at"):
        del fields[name]
    assert codec.decode(written_with(older, fields)) == message
    assert codec.decode(codec.encode(message)) == message


def test_a_nested_record_of_an_older_version_gets_its_defaults_too(registry: Registry) -> None:
    def without_size(schema: dict[str, Any]) -> None:
        attachment = next(field for field in schema["fields"] if field["name"] == "attachments")["type"]["items"]
        attachment["fields"] = [field for field in attachment["fields"] if field["name"] != "size_bytes"]

    older = registry.rewrite(events.MessageReceived, without_size)
    message = example(events.MessageReceived, attachments=[events.Attachment(name="a.png", reference="x")])
    fields = msgspec.to_builtins(message)
    del fields["attachments"][0]["size_bytes"]
    assert codec.decode(written_with(older, fields)) == message


def test_a_record_that_was_never_generated_says_what_to_do(registry: Registry) -> None:
    registry.path(events.Tick, 1).unlink()
    with pytest.raises(UnknownFingerprint, match=r"no schema of Tick .* `make generate`"):
        codec.decode(codec.encode(example(events.Tick)))
    with pytest.raises(UnknownFingerprint, match=r"no schema of Tick .* `make generate`"):
        codec.decode(b"\xc3\x01" + b"\x00" * 8)


# -- bad bytes ---------------------------------------------------------------------------------------------------

NOTE = codec.encode(example(events.NoteAdded))


@pytest.mark.parametrize("data", [b"", b"\xc3", b"\xc3\x01", NOTE[:9], b"\xc3\x02" + NOTE[2:], b'{"event_id": "e"}'])
def test_without_the_marker_and_a_whole_header_it_is_not_a_single_object(data: bytes) -> None:
    with pytest.raises(NotSingleObject) as raised:
        codec.decode(data)
    assert raised.value.reason == "not_single_object"


def test_a_fingerprint_of_nobody_is_unknown() -> None:
    with pytest.raises(UnknownFingerprint, match="0102030405060708") as raised:
        codec.decode(b"\xc3\x01" + bytes(range(1, 9)) + NOTE[10:])
    assert raised.value.reason == "unknown_fingerprint"


@of_every_kind
def test_a_body_cut_short_anywhere_is_broken(kind: type[msgspec.Struct]) -> None:
    written = codec.encode(example(kind))
    for length in range(10, len(written)):
        with pytest.raises(BrokenBody):
            codec.decode(written[:length])


@of_every_kind
def test_bytes_left_over_are_broken(kind: type[msgspec.Struct]) -> None:
    with pytest.raises(BrokenBody, match="1 bytes after the end") as raised:
        codec.decode(codec.encode(example(kind)) + b"\x00")
    assert raised.value.reason == "broken_body"


def test_text_that_is_not_utf8_is_broken() -> None:
    with pytest.raises(BrokenBody, match="UnicodeDecodeError"):
        codec.decode(NOTE.replace(b"text", b"te\xfft"))


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_codec_errors(data: bytes) -> None:
    with pytest.raises(CodecError):
        codec.decode(data)


def outcome(data: bytes) -> type | str:
    """Returns the kind of the record that is read, or the reason why none is."""
    try:
        return type(codec.decode(data))
    except CodecError as error:
        return error.reason


@every_kind
@few
@given(body=st.binary(max_size=200))
def test_a_random_body_is_a_record_or_broken(kind: type[msgspec.Struct], body: bytes) -> None:
    assert outcome(codec.header(kind) + body) in (kind, "broken_body")


#: fastavro takes any byte for a truth value, and numbers of any length.
STRICTER = ("neither true nor false", "a number of more than 64 bits")


def read_by_fastavro(kind: type[msgspec.Struct], body: bytes) -> dict[str, Any] | None:
    """The fields of a body of the newest version; None when it is broken, or goes on behind its end."""
    rest = BytesIO(body)
    schema = codec._plain(codec.versions(kind)[max(codec.versions(kind))])
    try:
        fields = fastavro.schemaless_reader(rest, schema, None)
    except Exception:
        return None
    return fields if isinstance(fields, dict) and not rest.read() else None


def agrees_with_fastavro(kind: type[msgspec.Struct], body: bytes) -> bool:
    """Whether the body is a record; our decoder and fastavro say the same of it, and read the same fields."""
    expected = read_by_fastavro(kind, body)
    try:
        record = codec.decode(codec.header(kind) + body)
    except BrokenBody as error:
        assert expected is None or any(reason in str(error) for reason in STRICTER), error
        return False
    assert type(record) is kind
    assert repr(msgspec.to_builtins(record, builtin_types=(bytes,))) == repr(expected)  # NaN differs from itself
    return True


@of_every_kind
def test_a_changed_byte_is_read_or_broken_as_by_fastavro(kind: type[msgspec.Struct]) -> None:
    body = codec.encode(example(kind))[10:]
    seen = {
        agrees_with_fastavro(kind, body[:place] + bytes([body[place] ^ change]) + body[place + 1 :])
        for place in range(len(body))
        for change in (0x01, 0x02, 0x10, 0x80, 0xFF)
    }
    assert seen == {True, False}, "some changes leave a record, others do not"


@every_kind
@few
@given(data=st.data())
def test_a_flipped_byte_is_a_record_or_a_codec_error(kind: type[msgspec.Struct], data: st.DataObject) -> None:
    written = bytearray(codec.encode(example(kind)))
    written[data.draw(st.integers(0, len(written) - 1))] ^= data.draw(st.integers(1, 255))
    # A flipped byte of the fingerprint is no schema's, and one of the marker makes no record at all.
    assert outcome(bytes(written)) in (kind, "not_single_object", "unknown_fingerprint", "broken_body")


@every_kind
@few
@given(data=st.data())
def test_a_body_with_some_bytes_replaced_is_read_or_broken_as_by_fastavro(
    kind: type[msgspec.Struct], data: st.DataObject
) -> None:
    body = codec.encode(data.draw(records(kind)))[10:]
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(len(body), start + 4)))
    agrees_with_fastavro(kind, body[:start] + data.draw(st.binary(max_size=4)) + body[end:])


@of_every_kind
def test_a_changed_byte_of_the_header_is_a_codec_error(kind: type[msgspec.Struct]) -> None:
    written = codec.encode(example(kind))
    for place in range(10):
        with pytest.raises((NotSingleObject, UnknownFingerprint)):
            codec.decode(written[:place] + bytes([written[place] ^ 0x01]) + written[place + 1 :])


@pytest.mark.parametrize(
    ("encoded", "number"),
    [
        (b"\xff" * 9 + b"\x01", -(2**63)),
        (b"\xfe" + b"\xff" * 8 + b"\x01", 2**63 - 1),
        (b"\x81" + b"\x80" * 8 + b"\x00", -1),
        (b"\xff" * 9 + b"\x02", None),
        (b"\x80" * 9 + b"\x03", None),
        (b"\x80" * 10 + b"\x00", None),
    ],
)
def test_a_number_has_64_bits_at_most(encoded: bytes, number: int | None) -> None:
    before, after = b"\x02e", codec.encode(example(events.Tick, event_id="e", occurred_at=0))[13:]
    written = codec.header(events.Tick) + before + encoded + after
    if number is None:
        with pytest.raises(BrokenBody, match="more than 64 bits"):
            codec.decode(written)
    else:
        assert codec.decode(written).occurred_at == number


def test_a_length_beyond_all_memory_is_broken_at_once() -> None:
    huge = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"  # zigzag of 2**63 - 1
    with pytest.raises(BrokenBody):
        codec.decode(codec.header(events.NoteAdded) + huge)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (events.NoteAdded, "text", 5),
        (events.NoteAdded, "text", None),
        (events.NoteAdded, "text", b"bytes"),
        (events.NoteAdded, "text", "a lone \ud800 surrogate"),
        (events.NoteAdded, "occurred_at", 2**63),
        (events.NoteAdded, "occurred_at", "yesterday"),
        (events.NoteAdded, "occurred_at", None),
        (events.Assigned, "queued_at", "yesterday"),
        (events.Assigned, "queued_at", 2**63),
        (events.TagCorrected, "add", None),
        (events.TagCorrected, "add", [1]),
        (events.MessageReceived, "headers", {"subject": 1}),
        (events.MessageReceived, "headers", ["subject"]),
        (events.MessageReceived, "attachments", [events.Attachment(size_bytes="many")]),
        (events.MessageReceived, "attachments", [{"name": "a.png"}]),
        (facts.SurveyFact, "csat", 4.5),
        (facts.TicketFact, "first_response_seconds", "soon"),
    ],
)
def test_a_value_that_the_schema_does_not_allow_is_refused(kind: type[msgspec.Struct], field: str, value: Any) -> None:
    with pytest.raises(BrokenBody, match=kind.__name__):
        codec.encode(example(kind, **{field: value}))
