"""Avro single-object encoding: `C3 01`, the CRC-64-AVRO fingerprint of the writer's schema, the body.

Readers find the writer's schema by fingerprint among all the versions in `avro/`, so old records stay readable.
Logical types are left out of the schemas used here: a time is an int of microseconds in Python and the same
bytes on the wire.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import fastavro.schema
import msgspec

from schemas.compiled import compile_decoder, compile_encoder
from schemas.errors import BrokenBody, NotSingleObject, UnknownFingerprint
from schemas.events import EVENTS
from schemas.facts import FACTS
from schemas.published import IncidentChanged, RulesPublished, SecretsRegistered

AVRO = Path(__file__).parent / "avro"
MARKER = b"\xc3\x01"
HEADER_BYTES = 10
RECORDS: tuple[type[msgspec.Struct], ...] = (*EVENTS, *FACTS, IncidentChanged, RulesPublished, SecretsRegistered)
_VERSION_FILE = re.compile(r"^(\w+)\.v(\d+)\.avsc$")


def snake(name: str) -> str:
    """Returns the name in snake case: `MessageReceived` → `message_received`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def fingerprint(schema: dict[str, Any]) -> bytes:
    """Returns the CRC-64-AVRO of the schema's parsing canonical form, little-endian as the encoding wants it."""
    canonical = fastavro.schema.to_parsing_canonical_form(schema)
    return bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))


def versions(record: type[msgspec.Struct]) -> dict[int, dict[str, Any]]:
    """Returns every published schema of a record by version, oldest first."""
    found = {}
    for path in AVRO.glob(f"{snake(record.__name__)}.v*.avsc"):
        if match := _VERSION_FILE.match(path.name):
            found[int(match[2])] = json.loads(path.read_text("utf-8"))
    return dict(sorted(found.items()))


def _plain(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _plain(value) for key, value in schema.items() if key != "logicalType"}
    return [_plain(item) for item in schema] if isinstance(schema, list) else schema


def _revive(kind: type[msgspec.Struct], nested: tuple[tuple[str, type[msgspec.Struct]], ...]) -> Callable[[Any], Any]:
    if not nested:
        return lambda fields: kind(**fields)

    def revive(fields: dict[str, Any]) -> Any:
        for name, item in nested:
            fields[name] = [item(**value) for value in fields[name]]
        return kind(**fields)

    return revive


def _nested(kind: type[msgspec.Struct]) -> tuple[tuple[str, type[msgspec.Struct]], ...]:
    found = []
    for field in msgspec.structs.fields(kind):
        inner = getattr(field.type, "__args__", ())
        if inner and isinstance(inner[0], type) and issubclass(inner[0], msgspec.Struct):
            found.append((field.name, inner[0]))
    return tuple(found)


def _published(kind: type[msgspec.Struct]) -> dict[int, dict[str, Any]]:
    if known := versions(kind):
        return known
    raise UnknownFingerprint(f"no schema of {kind.__name__} in {AVRO}: run `make generate`")


class _Writer:
    """Encodes one kind of record with its newest schema."""

    __slots__ = ("encode", "header")

    def __init__(self, kind: type[msgspec.Struct]) -> None:
        known = _published(kind)
        newest = known[max(known)]
        self.header = MARKER + fingerprint(newest)
        self.encode = compile_encoder(newest, self.header)


@cache
def _writers() -> dict[type, _Writer]:
    return {kind: _Writer(kind) for kind in RECORDS}


#: What `encode` has looked up: it is called ten times per contact.
_ENCODERS: dict[type, Callable[[Any], bytes]] = {}


def _encoder(kind: type[msgspec.Struct]) -> Callable[[Any], bytes]:
    encoder = _ENCODERS[kind] = _writers()[kind].encode
    return encoder


_Reader = Callable[[bytes], tuple[Any, int]]


@cache
def _readers() -> dict[bytes, _Reader]:
    """Returns, by fingerprint, what reads a whole record as the newest version of its struct, and the position after it."""
    table: dict[bytes, _Reader] = {}
    for kind in RECORDS:
        known = _published(kind)
        newest = known[max(known)]
        for schema in known.values():
            table[fingerprint(schema)] = _resolver(kind, schema, newest)
        table[fingerprint(newest)] = _decoder(kind, newest)
    return table


def _decoder(kind: type[msgspec.Struct], schema: dict[str, Any]) -> _Reader:
    """Returns the reader of records of the newest version."""
    factories: dict[str, Callable[..., Any]] = {
        kind.__name__: kind,
        **{item.__name__: item for _, item in _nested(kind)},
    }
    decode_at = compile_decoder(schema, factories)
    return lambda data: decode_at(data, HEADER_BYTES)


def _resolver(kind: type[msgspec.Struct], schema: dict[str, Any], newest: dict[str, Any]) -> _Reader:
    """Returns the reader of records of an older version: Avro's schema resolution, by fastavro."""
    written, reader = fastavro.parse_schema(_plain(schema)), fastavro.parse_schema(_plain(newest))
    revive = _revive(kind, _nested(kind))

    def read(data: bytes) -> tuple[Any, int]:
        body = BytesIO(data)
        body.seek(HEADER_BYTES)
        return revive(fastavro.schemaless_reader(body, written, reader)), body.tell()

    return read


def header(kind: type[msgspec.Struct]) -> bytes:
    """Returns the ten bytes that start every record of this kind written by this build."""
    return _writers()[kind].header


def encode(record: msgspec.Struct) -> bytes:
    """Returns the single-object encoding of a record.

    Raises:
        BrokenBody: a field holds a value that its schema does not allow.
    """
    write = _ENCODERS.get(type(record)) or _encoder(type(record))
    try:
        return write(record)
    except Exception as error:  # ValueError, TypeError, AttributeError, OverflowError, ... on bad values
        raise BrokenBody(f"{type(record).__name__} cannot be encoded: {error}") from error


def decode(data: bytes) -> Any:
    """Returns the record that was encoded, as the newest version of its struct.

    Raises:
        NotSingleObject: the marker is missing.
        UnknownFingerprint: no schema in `avro/` has this fingerprint.
        BrokenBody: the body does not match its schema, or bytes are left over.
    """
    if data[:2] != MARKER or len(data) < HEADER_BYTES:
        raise NotSingleObject(f"{len(data)} bytes without the single-object marker C3 01")
    read = _readers().get(data[2:HEADER_BYTES])
    if read is None:
        raise UnknownFingerprint(f"no schema has the fingerprint {data[2:HEADER_BYTES].hex()}")
    try:
        record, end = read(data)
    except Exception as error:  # IndexError, ValueError, UnicodeDecodeError, ... on bad bytes
        raise BrokenBody(f"the body does not match its schema: {type(error).__name__}: {error}") from error
    if end < len(data):
        raise BrokenBody(f"{len(data) - end} bytes after the end of the record")
    if end > len(data):
        raise BrokenBody(f"the body does not match its schema: {end - len(data)} bytes are missing")
    return record
