"""Joins facts in single-object encoding to an Avro object container file, without decoding them.

Kafka values are `C3 01`, fingerprint, body; a container file is a header with the writer's schema, then blocks of
`count, size, bodies, sync marker`. ClickHouse reads that file and matches fields to columns by name. Every record
gets a block of its own: a body that is too short then ends at its own block's end with an error, instead of
reading on into its neighbour and shifting everything that follows (measured as fast as one big block).
Written from the Avro 1.11 specification, sections "Object Container Files" and "Single-object encoding".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from hashlib import blake2b
from typing import Any

import msgspec

from schemas.codec import HEADER_BYTES, MARKER, fingerprint, versions
from sinks.clickhouse.table import Table, tables

_ONE_RECORD = b"\x02"  # the count 1, as Avro writes a long


def long(value: int) -> bytes:
    """Encodes a non-negative number as an Avro long: zigzag, then seven bits a byte."""
    value <<= 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_SIZES = [_ONE_RECORD + long(size) for size in range(1 << 14)]


class Shape(msgspec.Struct, frozen=True):
    """Holds how records with one ten-byte header are inserted: the table, its columns, the file's header and sync marker."""

    table: Table
    columns: tuple[str, ...]
    head: bytes
    sync: bytes

    def file(self, values: Iterable[bytes]) -> bytes:
        """Returns the container file of single-object values that all start with this shape's header."""
        parts = [self.head]
        add, sync, sizes, most = parts.append, self.sync, _SIZES, len(_SIZES)
        for value in values:
            size = len(value) - HEADER_BYTES
            add(sizes[size] if size < most else _ONE_RECORD + long(size))
            add(value[HEADER_BYTES:])
            add(sync)
        return b"".join(parts)


@cache
def shapes() -> dict[bytes, Shape]:
    """Maps the ten-byte header of every published version of every record that has a table to its shape."""
    return {
        MARKER + fingerprint(schema): shape_of(table, schema)
        for record, table in tables().items()
        for schema in versions(record).values()
    }


def shape_of(table: Table, schema: Mapping[str, Any]) -> Shape:
    """Returns the shape of one version of a record: its fields under the names of the columns.

    Columns that an older version does not know are not named in the insert, so ClickHouse fills in their defaults.
    """
    fields = [{**entry, "name": table.column(entry["name"])} for entry in schema["fields"]]
    left_out = {table.column(name) for name in table.omit}
    columns = tuple(entry["name"] for entry in fields if entry["name"] not in left_out)
    text = json.dumps({**schema, "fields": fields}).encode()
    sync = blake2b(text, digest_size=16).digest()
    meta = {b"avro.schema": text, b"avro.codec": b"null"}
    entries = b"".join(long(len(key)) + key + long(len(value)) + value for key, value in meta.items())
    return Shape(table, columns, b"Obj\x01" + long(len(meta)) + entries + b"\x00" + sync, sync)
